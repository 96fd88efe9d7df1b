use super::{short, Axis, Plot, Scale, Series, Span};

fn plot(scale: Scale, points: &[(f64, f64)]) -> Plot {
    Plot {
        name: "cost",
        title: "Cost & rate".into(),
        x: Axis { label: "jobs", scale },
        y: Axis { label: "µs", scale: Scale::Linear },
        series: vec![Series { name: "a < b".into(), points: points.to_vec() }],
    }
}

#[test]
fn ticks_are_told_in_thousands_and_millions() {
    let told = [0.0, 0.1 + 0.2, 250.0, 1e3, 4096.0, 2.5e6].map(short);
    assert_eq!(told, ["0", "0.3", "250", "1k", "4096", "2.5M"]);
}

#[test]
fn a_linear_axis_begins_at_zero() {
    let axis = Span::of(vec![3.0, 9.0], Scale::Linear).expect("there are values");
    assert_eq!(axis.ticks(), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
}

#[test]
fn a_long_logarithmic_axis_has_a_tick_at_each_power_of_ten() {
    let axis = Span::of(vec![1e3, 1e4, 1e7], Scale::Log).expect("there are values");
    let told: Vec<_> = axis.ticks().into_iter().map(short).collect();
    assert_eq!(told, ["1k", "10k", "100k", "1M", "10M"]);
}

#[test]
fn a_few_values_are_the_ticks_themselves() {
    let axis = Span::of(vec![1.0, 16.0, 64.0], Scale::Log).expect("there are values");
    assert_eq!(axis.named_ticks(), [1.0, 16.0, 64.0]);
}

#[test]
fn equal_values_have_a_place() {
    for scale in [Scale::Linear, Scale::Log] {
        for value in [0.5, 1.0, 1e6] {
            let axis = Span::of(vec![value], scale).expect("there is a value");
            assert!((0.0..=1.0).contains(&axis.share(value)));
        }
    }
    let nothing = Span::of(vec![0.0], Scale::Linear).expect("there is a value");
    assert_eq!(nothing.share(0.0), 0.0);
}

#[test]
fn what_has_no_place_on_an_axis_is_left_out() {
    let svg = plot(Scale::Log, &[(0.0, 1.0), (1.0, f64::NAN), (10.0, 1.0)]).svg();
    assert_eq!(svg.expect("one point is left").matches("<circle").count(), 1);
    assert!(plot(Scale::Log, &[(0.0, 1.0)]).svg().is_err());
}

#[test]
fn texts_are_escaped() {
    let svg = plot(Scale::Linear, &[(1.0, 2.0)]).svg().expect("there is a point");
    assert!(svg.contains("Cost &amp; rate") && svg.contains("a &lt; b"));
}
