//! Compiling a kernel for an architecture, by NVRTC.

use std::ffi::CString;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use cudarc::nvrtc::{result, sys};

use crate::kernel::Kernel;

/// Makes NVRTC known by the file of its library, where the system would not find it by itself.
///
/// # Errors
/// If the file cannot be opened.
pub fn open(file: &Path) -> Result<()> {
    // NVRTC opens its other half by name alone, which works if it is there already.
    let siblings = file.parent().and_then(|folder| std::fs::read_dir(folder).ok());
    for sibling in siblings.into_iter().flatten().flatten() {
        if sibling.file_name().to_string_lossy().starts_with("libnvrtc-builtins.so.") {
            open_one(&sibling.path())?;
        }
    }
    open_one(file)
}

fn open_one(file: &Path) -> Result<()> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: NVRTC has no initialiser that minds when it is run.
    let library = unsafe { Library::open(Some(file), RTLD_NOW | RTLD_GLOBAL) };
    std::mem::forget(library.with_context(|| format!("cannot open {}", file.display()))?);
    Ok(())
}

/// Whether NVRTC is there.
pub fn is_available() -> bool {
    // SAFETY: looks for the library, as every later call would.
    unsafe { sys::is_culib_present() }
}

/// Machine code, and what the compiler says of registers and spills.
#[derive(Debug)]
pub struct Compiled {
    /// For the driver to load.
    pub cubin: Vec<u8>,
    /// The compiler's log.
    pub log: String,
}

/// Compiles for `sm_{architecture}`, such as 90.
///
/// # Errors
/// If NVRTC is missing or refuses the source; with its log.
pub fn compile(kernel: &Kernel, architecture: i32) -> Result<Compiled> {
    ensure!(is_available(), "NVRTC is missing (libnvrtc.so of CUDA's run-time compiler)");
    let text = CString::new(kernel.text()).context("a source with a null byte")?;
    let name = CString::new(kernel.name)?;
    let program = Program(result::create_program(&text, Some(&name))?);
    let options = [
        format!("--gpu-architecture=sm_{architecture}"),
        "--std=c++17".to_owned(),
        "--ptxas-options=-v".to_owned(),
    ];
    // SAFETY: the program was created above and lives until the end of this function.
    unsafe {
        let outcome = result::compile_program(program.0, &options);
        let log = text_of(result::get_program_log(program.0)?);
        if let Err(error) = outcome {
            bail!("NVRTC: {error}\n{log}");
        }
        let mut size = 0;
        sys::nvrtcGetCUBINSize(program.0, &raw mut size).result()?;
        let mut cubin = vec![0u8; size];
        sys::nvrtcGetCUBIN(program.0, cubin.as_mut_ptr().cast()).result()?;
        Ok(Compiled { cubin, log })
    }
}

struct Program(sys::nvrtcProgram);

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: created by NVRTC, destroyed once.
        let _ = unsafe { result::destroy_program(self.0) };
    }
}

fn text_of(characters: Vec<std::ffi::c_char>) -> String {
    let bytes: Vec<u8> = characters.into_iter().map(|c| c as u8).take_while(|&c| c != 0).collect();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}
