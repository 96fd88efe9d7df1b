//! Lines over a logarithmic or linear axis, as SVG.

use std::{
    fmt::Write,
    io::{Error, Result},
};

/// How an axis is divided.
#[derive(Clone, Copy, PartialEq)]
pub enum Scale {
    /// Evenly, from zero.
    Linear,
    /// By powers of ten.
    Log,
}

/// One direction of a plot.
pub struct Axis {
    /// What is counted, and in what.
    pub label: &'static str,
    /// How it is divided.
    pub scale: Scale,
}

/// One line of a plot.
pub struct Series {
    /// What the line stands for.
    pub name: String,
    /// Where it goes.
    pub points: Vec<(f64, f64)>,
}

/// A plot.
pub struct Plot {
    /// The name of its file, without the ending.
    pub name: &'static str,
    /// What it shows.
    pub title: String,
    /// What is varied.
    pub x: Axis,
    /// What comes of it.
    pub y: Axis,
    /// The lines.
    pub series: Vec<Series>,
}

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 400.0;
// Where the lines are drawn; to the right of it is the legend.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 600.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 340.0;

/// Told apart by those who see no red or no green, and on paper.
const COLORS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555"];

/// Values that differ so little in number get a tick each.
const NAMED_VALUES: usize = 8;
/// A line of so few points shows them.
const MARKED_POINTS: usize = 20;

impl Plot {
    /// Draws it.
    pub fn svg(&self) -> Result<String> {
        let lines: Vec<Vec<_>> = self.series.iter().map(|series| self.shown(series)).collect();
        let (xs, ys): (Vec<_>, Vec<_>) = lines.iter().flatten().copied().unzip();
        let (Some(x), Some(y)) = (Span::of(xs, self.x.scale), Span::of(ys, self.y.scale)) else {
            return Err(Error::other(format!("the plot {} has nothing to show", self.name)));
        };
        let across = |value| LEFT + (RIGHT - LEFT) * x.share(value);
        let up = |value| BOTTOM - (BOTTOM - TOP) * y.share(value);

        let mut svg = Svg::default();
        svg.text(LEFT, 28.0, "start", &self.title, r#" font-size="15" font-weight="bold""#);
        for tick in x.named_ticks() {
            svg.line((across(tick), TOP), (across(tick), BOTTOM), "#e0e0e0");
            svg.text(across(tick), BOTTOM + 18.0, "middle", &short(tick), "");
        }
        for tick in y.ticks() {
            svg.line((LEFT, up(tick)), (RIGHT, up(tick)), "#e0e0e0");
            svg.text(LEFT - 8.0, up(tick) + 4.0, "end", &short(tick), "");
        }
        svg.line((LEFT, BOTTOM), (RIGHT, BOTTOM), "#555555");
        svg.line((LEFT, TOP), (LEFT, BOTTOM), "#555555");
        let (middle_x, middle_y) = ((LEFT + RIGHT) / 2.0, (TOP + BOTTOM) / 2.0);
        svg.text(middle_x, BOTTOM + 42.0, "middle", self.x.label, "");
        let turned = format!(r#" transform="rotate(-90 18 {middle_y})""#);
        svg.text(18.0, middle_y, "middle", self.y.label, &turned);

        for (at, (series, points)) in self.series.iter().zip(lines).enumerate() {
            let color = COLORS[at % COLORS.len()];
            let places: Vec<_> = points.iter().map(|&(x, y)| (across(x), up(y))).collect();
            svg.path(&places, color);
            if places.len() <= MARKED_POINTS {
                places.iter().for_each(|&place| svg.dot(place, color));
            }
            let height = TOP + 10.0 + 22.0 * at as f64;
            svg.path(&[(RIGHT + 14.0, height), (RIGHT + 36.0, height)], color);
            svg.text(RIGHT + 42.0, height + 4.0, "start", &series.name, "");
        }
        Ok(svg.finish())
    }

    /// The points that have a place on the axes.
    fn shown(&self, series: &Series) -> Vec<(f64, f64)> {
        let fits = |value: f64, scale| value.is_finite() && (scale == Scale::Linear || value > 0.0);
        let points = series.points.iter().copied();
        points.filter(|&(x, y)| fits(x, self.x.scale) && fits(y, self.y.scale)).collect()
    }
}

/// The values between which an axis goes.
struct Span {
    low: f64,
    high: f64,
    scale: Scale,
    /// All that occur, ascending.
    values: Vec<f64>,
}

impl Span {
    /// An axis on which all of these have a place.
    fn of(mut values: Vec<f64>, scale: Scale) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        values.dedup();
        let (mut low, mut high) = (*values.first()?, *values.last()?);
        match scale {
            Scale::Linear => {
                let step = step(high.max(0.0) - low.min(0.0));
                low = (low.min(0.0) / step).floor() * step;
                high = (high.max(step) / step).ceil() * step;
            }
            Scale::Log if low == high => (low, high) = (low / 2.0, high * 2.0),
            Scale::Log => (low, high) = (rounded(low, f64::floor), rounded(high, f64::ceil)),
        }
        Some(Self { low, high, scale, values })
    }

    /// How far along the axis a value is, from 0 to 1.
    fn share(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => (value / self.low).ln() / (self.high / self.low).ln(),
        }
    }

    /// The values themselves where they are few, or round ones.
    fn named_ticks(&self) -> Vec<f64> {
        let apart = |pair: &[f64]| self.share(pair[1]) - self.share(pair[0]) > 0.06;
        if self.values.len() <= NAMED_VALUES && self.values.windows(2).all(apart) {
            self.values.clone()
        } else {
            self.ticks()
        }
    }

    /// Round values along the axis.
    fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let step = step(self.high - self.low);
                let count = ((self.high - self.low) / step).round() as usize;
                (0..=count).map(|at| self.low + step * at as f64).collect()
            }
            Scale::Log => {
                let decades = (self.high / self.low).log10();
                let within: &[f64] = if decades < 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
                let powers = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
                let ticks =
                    powers.flat_map(|power| within.iter().map(move |m| m * 10f64.powi(power)));
                // The ends are computed, and so may be off in their last digit.
                ticks.filter(|tick| (self.low * 0.999..self.high * 1.001).contains(tick)).collect()
            }
        }
    }
}

/// A round distance of which about five make this length.
fn step(length: f64) -> f64 {
    let power = 10f64.powf((length / 5.0).log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power * 6.0 >= length);
    match power * factor.unwrap_or(10.0) {
        step if step.is_finite() && step > 0.0 => step,
        _ => 1.0,
    }
}

/// The next number of one digit, of which there are nine to a power of ten.
fn rounded(value: f64, direction: fn(f64) -> f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    direction((value / power * 1e6).round() / 1e6) * power
}

/// A number as it stands at a tick: 250, 1k, 2.5M, and 4096.
fn short(value: f64) -> String {
    // Rounded, since ticks are sums; then without zeros at the end.
    let digits =
        |value: f64| format!("{value:.3}").trim_end_matches('0').trim_end_matches('.').to_string();
    let units = [(1e9, "G"), (1e6, "M"), (1e3, "k")];
    let is_whole = |value: f64| (value - value.round()).abs() < 1e-6;
    match units.into_iter().find(|&(unit, _)| value.abs() >= unit) {
        Some((unit, letter)) if is_whole(value / unit * 10.0) => {
            format!("{}{letter}", digits(value / unit))
        }
        _ => digits(value),
    }
}

/// What was drawn so far.
#[derive(Default)]
struct Svg(String);

impl Svg {
    fn line(&mut self, from: (f64, f64), to: (f64, f64), color: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.element(format_args!(
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="{color}"/>"#
        ));
    }

    fn path(&mut self, places: &[(f64, f64)], color: &str) {
        let points: Vec<_> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.element(format_args!(
            r#"<polyline points="{}" fill="none" stroke="{color}" stroke-width="2"/>"#,
            points.join(" ")
        ));
    }

    fn dot(&mut self, (x, y): (f64, f64), color: &str) {
        self.element(format_args!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="3" fill="{color}"/>"#));
    }

    fn text(&mut self, x: f64, y: f64, anchor: &str, text: &str, attributes: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        self.element(format_args!(
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}"{attributes}>{text}</text>"#
        ));
    }

    fn element(&mut self, element: std::fmt::Arguments) {
        let _ = writeln!(self.0, "{element}");
    }

    /// The whole picture. It has a background of its own, to be read on a dark page too.
    fn finish(self) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"12\" fill=\"#222222\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n{}</svg>\n",
            self.0
        )
    }
}

#[cfg(test)]
mod tests;
