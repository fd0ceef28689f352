//! How the C library's allocator treats big tensors.

/// Lets the process keep the memory of freed tensors for the next ones. To be called first thing.
///
/// glibc maps every big block anew and gives it back to the kernel as soon as it is free. A training
/// step frees and allocates the same tensors over and over, and each time the kernel has to find and
/// clear every page: half of the time of an S4D block's forward and backward pass on a CPU (0.54 s
/// against 0.27 s). The price is that memory once taken stays with the process until it ends, holes
/// included, so that its size is that of its peak.
///
/// CUDA memory has an allocator of its own, and other C libraries than glibc do not know these
/// settings: nothing happens there.
pub fn keep_freed_pages() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const MIB: libc::c_int = 1 << 20;
        // SAFETY: `mallopt` takes numbers; one that it does not like changes nothing.
        unsafe {
            // Blocks below this come from the heap. Older versions of glibc take no more than 32 MiB.
            if libc::mallopt(libc::M_MMAP_THRESHOLD, 1024 * MIB) == 0 {
                libc::mallopt(libc::M_MMAP_THRESHOLD, 32 * MIB);
            }
            // So much may be free at the heap's end before it shrinks: as much as a number holds.
            libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
            // It grows by so much more than is needed at the moment.
            libc::mallopt(libc::M_TOP_PAD, 64 * MIB);
        }
    }
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use std::process::Command;

    /// Set in the process that is measured: the settings are for good, and other tests allocate.
    const CHILD: &str = "S4_TEST_HEAP";

    /// Page faults of writing to a big block that was allocated and freed before.
    fn faults_of_a_second_use() -> i64 {
        let touch = || {
            let mut block = vec![0u8; 0];
            block.resize(20 << 20, 1);
            std::hint::black_box(&block);
        };
        touch();
        let before = faults();
        touch();
        faults() - before
    }

    fn faults() -> i64 {
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::uninit();
        // SAFETY: the call fills `usage` where it returns 0.
        unsafe {
            assert_eq!(libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()), 0);
            usage.assume_init().ru_minflt
        }
    }

    /// The measurement, in a process of its own. On the main thread's heap only the process's first
    /// thread may rely on the settings; a test thread has an arena, which `M_ARENA_MAX` forbids.
    #[test]
    #[ignore = "the program that the other test starts"]
    fn child() {
        let Ok(keep) = std::env::var(CHILD) else { return };
        // SAFETY: a number.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
        if keep == "yes" {
            super::keep_freed_pages();
        }
        println!("\nfaults {}", faults_of_a_second_use());
    }

    fn faults_in_child(keep: &str) -> i64 {
        let program = std::env::current_exe().unwrap();
        let name = "heap::tests::child";
        let output = Command::new(program)
            .args(["--exact", name, "--include-ignored", "--nocapture", "--test-threads=1"])
            .env(CHILD, keep)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("faults "));
        line.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
    }

    #[test]
    fn a_freed_block_is_used_again_without_page_faults() {
        let (kept, given_back) = (faults_in_child("yes"), faults_in_child("no"));
        assert!(given_back > 1000, "{given_back} page faults: glibc keeps pages by itself now");
        assert!(kept < 100, "{kept} page faults in pages that should have been kept");
    }
}
