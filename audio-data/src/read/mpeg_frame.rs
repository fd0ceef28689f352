//! The frames of an MP3, by which a file that was cut out of one is known.

/// Bit rates of layer III in kbit/s, by their index: version 1, then versions 2 and 2.5.
const BIT_RATES: [[u32; 14]; 2] = [
    [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

/// Where the first frame begins that another one follows.
pub(super) fn first(bytes: &[u8]) -> Option<usize> {
    (0..bytes.len()).find(|&at| {
        let Some(length) = length(&bytes[at..]) else { return false };
        let next = &bytes[at + length.min(bytes.len() - at)..];
        // Version, layer and sampling rate stay.
        self::length(next).is_some()
            && next[1] & 0xFE == bytes[at + 1] & 0xFE
            && next[2] & 0x0C == bytes[at + 2] & 0x0C
    })
}

/// The length of the frame of layer III that begins with these bytes, if one does.
fn length(bytes: &[u8]) -> Option<usize> {
    let &[0xFF, b, c, _, ..] = bytes else { return None };
    if b & 0xE6 != 0xE2 {
        return None;
    }
    let (samples, divisor, rates) = match b >> 3 & 3 {
        3 => (144, 1, BIT_RATES[0]),
        2 => (72, 2, BIT_RATES[1]),
        0 => (72, 4, BIT_RATES[1]),
        _ => return None,
    };
    let rate = [44_100, 48_000, 32_000].get(usize::from(c >> 2 & 3))? / divisor;
    let bits = 1000 * rates.get(usize::from(c >> 4).checked_sub(1)?)?;
    Some((samples * bits / rate + u32::from(c >> 1 & 1)) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_the_lengths_of_the_standard() {
        assert_eq!(length(&[0xFF, 0xFB, 0x90, 0x64]), Some(417)); // 128 kbit/s, 44.1 kHz
        assert_eq!(length(&[0xFF, 0xFB, 0x92, 0x64]), Some(418)); // padded
        assert_eq!(length(&[0xFF, 0xF3, 0x88, 0xC4]), Some(288)); // 64 kbit/s, 16 kHz
        assert_eq!(length(&[0xFF, 0xFD, 0x90, 0x64]), None); // layer II
        assert_eq!(length(&[0xFF, 0xFB, 0xF0, 0x64]), None); // bad bit rate
        assert_eq!(length(&[0xFF, 0xFB]), None);
    }

    #[test]
    fn a_frame_counts_only_if_another_follows() {
        let mut bytes = vec![0xFF, 0xFB, 0x90, 1, 2, 3];
        assert_eq!(first(&bytes), None);
        let start = bytes.len();
        for _ in 0..2 {
            bytes.extend([0xFF, 0xFB, 0x90, 0x64]);
            bytes.resize(bytes.len() + 413, 0);
        }
        assert_eq!(first(&bytes), Some(start));
        assert_eq!(first(&bytes[..start + 417]), None);
    }
}
