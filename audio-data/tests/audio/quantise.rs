//! Samples as codes and back.

use proptest::prelude::*;

use audio_data::quantise::*;

const LAWS: [Companding; 3] = [Companding::MuLaw, Companding::ALaw, Companding::Linear];

fn all() -> impl Iterator<Item = Quantiser> {
    LAWS.into_iter().flat_map(|law| (2..=16).map(move |bits| Quantiser::new(law, bits).unwrap()))
}

#[test]
fn bits_out_of_range_are_refused() {
    for bits in [0, 1, 17, 32] {
        let error = Quantiser::new(Companding::Linear, bits).unwrap_err().to_string();
        assert!(error.contains("2 to 16"), "{error}");
    }
}

#[test]
fn silence_is_the_middle_code() {
    for q in all() {
        assert_eq!(q.decode(q.zero()), 0.0);
        assert_eq!(q.encode(0.0), q.zero());
        assert_eq!(q.encode(-0.0), q.zero());
        assert_eq!(q.encode(f64::NAN), q.zero());
    }
}

#[test]
fn loud_samples_are_clipped() {
    for q in all() {
        let last = (q.levels() - 1) as u16;
        for loud in [1.0, 1.5, f64::INFINITY] {
            assert_eq!(q.encode(loud), last);
            assert_eq!(q.encode(-loud), 0);
        }
        assert_eq!(q.decode(0), -1.0);
        assert!(q.decode(last) < 1.0);
        assert_eq!(q.decode(u16::MAX), q.decode(last));
    }
}

#[test]
fn a_decoded_code_is_encoded_as_itself_or_above_silence_as_the_one_below() {
    for q in all() {
        let (zero, last) = (i32::from(q.zero()), q.levels() as i32 - 1);
        let offset_counts = Ok(q) == Quantiser::new(Companding::MuLaw, 16).map_err(drop);
        for code in 0..=last {
            let moved = i32::from(q.encode(q.decode(code as u16))) - code;
            let allowed = match code - zero {
                -4000..=4000 if offset_counts => -1..=2,
                1.. => -1..=0,
                _ => 0..=0,
            };
            assert!(allowed.contains(&moved), "{q:?}: {code} moves by {moved}");
        }
    }
}

#[test]
fn decoding_is_strictly_monotone() {
    for q in all() {
        for code in 1..q.levels() {
            assert!(q.decode(code as u16) > q.decode(code as u16 - 1), "{q:?} at {code}");
        }
    }
}

#[test]
fn a_law_is_the_curve_of_g_711() {
    // Corners of the segments that G.711 approximates the curve by: 2^-k is k/8 below 1.
    let q = Quantiser::new(Companding::ALaw, 16).unwrap();
    for k in 0..6 {
        let corner = 2f64.powi(-k);
        let bent = f64::from(q.encode(corner)) / 32768.0 - 1.0;
        assert!((bent - (1.0 - f64::from(k) / 8.0)).abs() < 0.01, "2^-{k}: {bent}");
    }
}

#[test]
fn stretching_moves_the_extremes_to_the_ends() {
    assert_eq!(stretch(-0.25, -0.25, 0.5), -1.0);
    assert!((stretch(0.5, -0.25, 0.5) - 1.0).abs() < 1e-5);
    assert!(stretch(0.125, -0.25, 0.5).abs() < 1e-5);
    assert_eq!(stretch(0.0, 0.0, 0.0), -1.0);
}

fn quantiser() -> impl Strategy<Value = Quantiser> {
    (0..LAWS.len(), 2u32..=16).prop_map(|(law, bits)| Quantiser::new(LAWS[law], bits).unwrap())
}

proptest! {
    #[test]
    fn encoding_is_monotone(q in quantiser(), a in -1.1f64..1.1, b in -1.1f64..1.1) {
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        prop_assert!(q.encode(low) <= q.encode(high));
    }

    #[test]
    fn the_error_is_less_than_a_bin(q in quantiser(), x in -1f64..1.0) {
        let code = q.encode(x);
        // Bins are edge to edge; the encoder's are wider by up to a hundredth at the ends.
        let low = f64::from(q.decode(code));
        let high = if usize::from(code) + 1 < q.levels() {
            f64::from(q.decode(code + 1))
        } else {
            1.0
        };
        let slack = 0.02 * (high - low) + 1e-7;
        prop_assert!(low - slack <= x && x <= high + slack, "{x} in [{low}, {high}]");
    }
}
