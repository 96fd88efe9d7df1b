use super::thousands;

#[test]
fn a_comma_comes_before_every_three_digits() {
    let numbers = [0, 12, 999, 1_000, 12_345, 1_000_000];
    assert_eq!(numbers.map(thousands), ["0", "12", "999", "1,000", "12,345", "1,000,000"]);
}
