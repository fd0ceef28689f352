//! Numbers for people.

use indicatif::HumanCount;

/// Two significant digits, or all that are before the point; at most five behind it.
pub fn significant(x: f64) -> String {
    if x == 0.0 || !x.is_finite() {
        return x.to_string();
    }
    let decimals = (1.0 - x.abs().log10().floor()).clamp(0.0, 5.0);
    format!("{x:.0$}", decimals as usize)
}

/// Seconds, as microseconds, milliseconds or seconds.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{} µs", significant(s * 1e6)),
        s if s < 1.0 => format!("{} ms", significant(s * 1e3)),
        s => format!("{} s", significant(s)),
    }
}

/// Bytes, as MiB or GiB.
pub fn bytes(bytes: f64) -> String {
    let mebibytes = bytes / (1 << 20) as f64;
    if mebibytes < 1024.0 {
        format!("{} MiB", significant(mebibytes))
    } else {
        format!("{} GiB", significant(mebibytes / 1024.0))
    }
}

/// A whole number with commas between thousands, from 100 on; smaller ones as [`significant`].
pub fn thousands(x: f64) -> String {
    if x.abs() < 100.0 {
        return significant(x);
    }
    let sign = if x < 0.0 { "-" } else { "" };
    format!("{sign}{}", HumanCount(x.abs().round_ties_even() as u64))
}

/// A share of one, in percent.
pub(crate) fn percent(share: f64) -> String {
    format!("{} %", significant(100.0 * share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_long_as_they_are_good_for() {
        assert_eq!(significant(0.123), "0.12");
        assert_eq!(significant(0.00234), "0.0023");
        assert_eq!(significant(1.26), "1.3");
        assert_eq!(significant(12.6), "13");
        assert_eq!(significant(0.0), "0");
        assert_eq!(significant(123.4), "123");
        assert_eq!(percent(0.056), "5.6 %");
    }

    #[test]
    fn units_change_where_numbers_would_be_unwieldy() {
        assert_eq!(duration(2e-5), "20 µs");
        assert_eq!(duration(0.0456), "46 ms");
        assert_eq!(duration(1.5), "1.5 s");
        assert_eq!(bytes(1024.0 * 1024.0), "1.0 MiB");
        assert_eq!(bytes(1536.0 * 1024.0 * 1024.0), "1.5 GiB");
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(thousands(3.26), "3.3");
        assert_eq!(thousands(123.0), "123");
        assert_eq!(thousands(1234.4), "1,234");
        assert_eq!(thousands(1_234_567.0), "1,234,567");
        assert_eq!(thousands(-1234.0), "-1,234");
    }
}
