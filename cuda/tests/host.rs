//! Barriers, shuffles and number types of kernels that run on the CPU.
#![cfg(feature = "host")]

use cuda::{Argument, Kernel, Launcher, Value, Where, host};

const SOURCE: &str = r#"
extern "C" __global__ void sums(const VALUE* x, VALUE* y, int n) {
  __shared__ float parts[WARPS];
  float s = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) s += number(x[blockIdx.x * n + i]);
  s = warp_sum(s);
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = s;
  __syncthreads();
  if (threadIdx.x != 0) return;
  s = 0;
  for (int i = 0; i < WARPS; i++) s += parts[i];
  round_to(y[blockIdx.x], s);
}
"#;

fn kernel(value: &'static str) -> Kernel {
    let constants = vec![("WARPS", Value::Number(3)), ("VALUE", Value::Type(value))];
    Kernel { name: "sums", source: SOURCE, constants }
}

#[test]
fn blocks_add_up_what_their_threads_hold() {
    let x: Vec<f32> = (0..400).map(|i| i as f32).collect();
    let mut y = vec![0f32; 4];
    host::with_kernels(|| {
        let launcher = Launcher::at(Where::Host).unwrap();
        let arguments = [
            Argument::Pointer(x.as_ptr().cast()),
            Argument::Pointer(y.as_mut_ptr().cast()),
            Argument::Int(100),
        ];
        // SAFETY: the kernel's own arguments, four rows of 100.
        unsafe { launcher.launch(&kernel("float"), (4, 1, 1), 96, &arguments) }.unwrap();
    });
    assert_eq!(y, [4950.0, 14950.0, 24950.0, 34950.0]);
}

#[test]
fn bf16_rounds_to_nearest_even() {
    let x = [0x3f80u16, 0x3b80, 0, 0]; // 1 and 2⁻⁸: halfway between 1 and the next number
    let mut y = [0u16; 1];
    host::with_kernels(|| {
        let launcher = Launcher::at(Where::Host).unwrap();
        let arguments = [
            Argument::Pointer(x.as_ptr().cast()),
            Argument::Pointer(y.as_mut_ptr().cast()),
            Argument::Int(4),
        ];
        // SAFETY: the kernel's own arguments, one row of four.
        unsafe { launcher.launch(&kernel("bf16"), (1, 1, 1), 96, &arguments) }.unwrap();
    });
    assert_eq!(y, [0x3f80]);
}

#[test]
fn a_cpu_has_kernels_in_tests_only() {
    assert!(Launcher::at(Where::Host).is_none());
    let broken = Kernel { name: "sums", source: "no C++ at all", constants: Vec::new() };
    host::with_kernels(|| assert!(!Launcher::at(Where::Host).unwrap().has(&broken)));
}
