//! Lines over a logarithmic or linear axis, as SVG.

use std::io::Result;

/// How an axis is divided.
#[derive(Clone, Copy)]
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

impl Plot {
    /// Draws it.
    pub fn svg(&self) -> Result<String> {
        todo!()
    }
}
