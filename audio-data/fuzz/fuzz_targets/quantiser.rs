//! For any sample, law and number of bits: the code exists, decodes to within a bin of the sample,
//! and is encoded as itself, or above silence as the one below.

#![no_main]

use audio_data::quantise::{Companding, Quantiser};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u8, f64)| {
    let (law, bits, sample) = input;
    let law = [Companding::MuLaw, Companding::ALaw, Companding::Linear][usize::from(law % 3)];
    let bits = u32::from(bits % 20);
    let Ok(quantiser) = Quantiser::new(law, bits) else {
        assert!(!(2..=16).contains(&bits));
        return;
    };
    let code = quantiser.encode(sample);
    assert!(usize::from(code) < quantiser.levels());
    if sample.is_nan() {
        assert_eq!(code, quantiser.zero());
        return;
    }

    let sample = sample.clamp(-1.0, 1.0);
    let low = quantiser.decode(code);
    let last = usize::from(code) + 1 == quantiser.levels();
    let high = if last { 1.0 } else { quantiser.decode(code + 1) };
    assert!((-1.0..1.0).contains(&low) && low < high && high <= 1.0);
    // The official encoder's bins are wider than the decoder's, by up to a hundredth of a bin.
    let (low, high) = (f64::from(low), f64::from(high));
    let slack = 0.02 * (high - low) + 1e-7;
    assert!(low - slack <= sample && sample <= high + slack, "{sample} not in [{low}, {high}]");

    let moved = i32::from(quantiser.encode(low)) - i32::from(code);
    let distance = i32::from(code) - i32::from(quantiser.zero());
    let allowed = match distance {
        // The offset that the official mu-law adds counts where bins are finest.
        -4000..=4000 if law == Companding::MuLaw && bits == 16 => -1..=2,
        1.. => -1..=0,
        _ => 0..=0,
    };
    assert!(allowed.contains(&moved), "{code} moves by {moved}");
});
