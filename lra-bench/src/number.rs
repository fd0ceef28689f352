//! Real numbers of any unit as text.

/// A number with five digits that mean something, as short as it gets: 3.2, -21.305, 1.5e-9.
pub fn brief(value: f64) -> String {
    let rounded: f64 = format!("{value:.4e}").parse().unwrap_or(value);
    let size = rounded.abs();
    if size == 0.0 || (1e-4..1e7).contains(&size) {
        rounded.to_string()
    } else {
        format!("{rounded:e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_size_are_brief() {
        for (value, text) in [
            (0.0, "0"),
            (3.2, "3.2"),
            (-21.304_87, "-21.305"),
            (1.5e-9, "1.5e-9"),
            (123_456.7, "123460"),
            (-6.02e23, "-6.02e23"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(brief(value), text);
        }
    }
}
