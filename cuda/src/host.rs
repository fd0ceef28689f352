//! Kernels on the CPU, for tests: the same source compiled as C++ with `host.h`, which advances the
//! threads of a block from barrier to barrier. No speed is to be had here, only the arithmetic.

use std::cell::Cell;
use std::ffi::c_void;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, Result, ensure};
use libloading::Library;
use sha2::{Digest, Sha256};

use crate::kernel::Kernel;
use crate::launcher::Grid;

const HEADER: &str = include_str!("host.h");

thread_local! {
    static ON: Cell<bool> = const { Cell::new(false) };
}

/// While `run` runs, tensors of this thread that are on the CPU are worked on by kernels.
pub fn with_kernels<T>(run: impl FnOnce() -> T) -> T {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            ON.set(self.0);
        }
    }
    let _before = Before(ON.replace(true));
    run()
}

pub(crate) fn is_on() -> bool {
    ON.get()
}

/// A kernel as a function of this process.
#[derive(Debug, Clone, Copy)]
pub struct HostFunction(Run);

type Run = unsafe extern "C" fn(i64, i64, i64, i64, *mut *mut c_void);

/// Compiles the kernel's source with `$CXX` (`c++`), or takes what an earlier test has compiled.
pub(crate) fn function(kernel: &Kernel) -> Result<HostFunction> {
    let source = kernel.text();
    // In a namespace of its own: libraries would share the static variables of inline functions.
    let mut text = format!("{HEADER}\nnamespace {{\n{source}\n}}\n");
    for name in names(&source) {
        let _ = writeln!(
            text,
            "extern \"C\" void {name}_on_host(long x, long y, long z, long threads, void** arguments) \
             {{ run({name}, x, y, z, threads, arguments); }}"
        );
    }
    let digest = Sha256::digest(text.as_bytes());
    let digest: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    let folder = std::env::temp_dir().join("s4-host-kernels");
    let library = folder.join(format!("{digest}.so"));
    if !library.exists() {
        std::fs::create_dir_all(&folder)?;
        compile(&text, &library)?;
    }
    // SAFETY: the library was made here and has no initialisers; it stays for good.
    unsafe {
        let library = Library::new(&library)?;
        let run = *library.get::<Run>(format!("{}_on_host\0", kernel.name).as_bytes())?;
        std::mem::forget(library);
        Ok(HostFunction(run))
    }
}

/// Names of the kernels in a source: what comes before the arguments.
fn names(source: &str) -> impl Iterator<Item = &str> {
    source.split("__global__ void ").skip(1).filter_map(|kernel| {
        let bounded = kernel.strip_prefix("__launch_bounds__").and_then(|it| it.split_once(')'));
        let kernel = bounded.map_or(kernel, |(_, kernel)| kernel);
        Some(kernel.split_once('(')?.0.trim())
    })
}

fn compile(text: &str, library: &std::path::Path) -> Result<()> {
    let aside = |extension: &str| -> PathBuf {
        // Several tests may want the same kernel at once.
        let thread = format!("{:?}", std::thread::current().id()).replace(['(', ')'], "-");
        library.with_extension(format!("{}-{thread}{extension}", std::process::id()))
    };
    let (source, made) = (aside(".cpp"), aside(".so"));
    std::fs::write(&source, text)?;
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let output = Command::new(&compiler)
        .args(["-std=c++17", "-O1", "-w", "-shared", "-fPIC", "-fno-strict-aliasing"])
        .args(["-U_FORTIFY_SOURCE", "-o"])
        .args([&made, &source])
        .output()
        .with_context(|| format!("cannot run {compiler}"))?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::rename(&made, library)?;
    let _ = std::fs::remove_file(&source);
    Ok(())
}

impl HostFunction {
    /// # Safety
    /// The arguments must be the kernel's.
    pub(crate) unsafe fn run(self, grid: Grid, threads: i64, arguments: &mut [*mut c_void]) {
        // The threads of a block are global state of the library.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock();
        // SAFETY: as the caller promises.
        unsafe { (self.0)(grid.0, grid.1, grid.2, threads, arguments.as_mut_ptr()) };
    }
}
