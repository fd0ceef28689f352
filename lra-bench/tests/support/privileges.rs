//! Programs run as somebody else than root, who may read and write what nobody may.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Takes from `command` what root may do beyond others.
pub fn without_privileges(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec only system calls are made.
    unsafe {
        command.pre_exec(|| {
            const DAC_OVERRIDE: libc::c_ulong = 1;
            const DAC_READ_SEARCH: libc::c_ulong = 2;
            for capability in [DAC_OVERRIDE, DAC_READ_SEARCH] {
                // Who has none to give up needs not.
                libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0);
            }
            Ok(())
        })
    }
}
