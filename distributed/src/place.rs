//! Which of the processes this is.

use std::env;
use std::net::{IpAddr, ToSocketAddrs, UdpSocket};
use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use program::exit::usage;

use crate::group::Listen;

/// The file descriptor of the socket that [`crate::launcher`] bound for the store.
pub(crate) const LISTENER: &str = "S4_STORE_LISTENER";
/// Set by [`crate::launcher`].
pub(crate) const LAUNCHED: &str = "S4_LAUNCHED";
/// The network interface that Gloo listens at, as in PyTorch.
const INTERFACE: &str = "GLOO_SOCKET_IFNAME";

/// One process among several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its number, from 0.
    pub rank: usize,
    /// How many there are.
    pub size: usize,
    /// Its number among those on this machine.
    pub local_rank: usize,
    /// How many there are on this machine.
    pub local_size: usize,
    /// Where rank 0, or torchrun, serves the store.
    pub host: String,
    /// At which port.
    pub port: u16,
    /// The socket that is bound for it already.
    pub listener: Option<i32>,
    /// Whether torchrun serves it.
    pub is_served: bool,
    /// What tells this start of the processes from others at the same store.
    pub attempt: String,
    /// Whether [`crate::launcher`] started it, which says what became of it.
    pub is_launched: bool,
}

impl Place {
    /// What the environment says: the variables of torchrun (`RANK`, `WORLD_SIZE`, `MASTER_ADDR`,
    /// `MASTER_PORT`, ...), which may be set by hand, or those of a SLURM step. `None`: this process is
    /// alone.
    ///
    /// # Errors
    /// If they are incomplete or contradict each other.
    pub fn of_environment() -> Result<Option<Self>> {
        Self::of(|name| env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>> {
        let place = if variable("RANK").is_some() || variable("WORLD_SIZE").is_some() {
            Self::of_torchrun(&variable)?
        } else if variable("SLURM_STEP_NUM_TASKS").is_some_and(|tasks| tasks != "1") {
            Self::of_slurm(&variable)?
        } else {
            return Ok(None);
        };
        let Self { rank, size, local_rank, local_size, .. } = place;
        ensure!(
            rank < size && local_rank < local_size && local_size <= size,
            usage(format!(
                "rank {rank} of {size} processes, {local_rank} of {local_size} on this machine: ranks \
                 count from 0 and are below the number of processes"
            ))
        );
        Ok(Some(place))
    }

    fn of_torchrun(variable: &impl Fn(&str) -> Option<String>) -> Result<Self> {
        let rank = required(variable, "RANK")?;
        let size = required(variable, "WORLD_SIZE")?;
        let attempt = variable("TORCHELASTIC_RESTART_COUNT").unwrap_or_else(|| "0".to_owned());
        Ok(Self {
            rank,
            size,
            local_rank: optional(variable, "LOCAL_RANK")?.unwrap_or(0),
            local_size: optional(variable, "LOCAL_WORLD_SIZE")?.unwrap_or(1),
            host: required(variable, "MASTER_ADDR")?,
            port: required(variable, "MASTER_PORT")?,
            listener: optional(variable, LISTENER)?,
            is_served: variable("TORCHELASTIC_USE_AGENT_STORE").is_some_and(|x| x == "True"),
            attempt,
            is_launched: variable(LAUNCHED).is_some(),
        })
    }

    /// By `srun`. The store is on the first node, at a port that follows from the job.
    fn of_slurm(variable: &impl Fn(&str) -> Option<String>) -> Result<Self> {
        let rank = required(variable, "SLURM_PROCID")?;
        let job: u64 = required(variable, "SLURM_JOB_ID")?;
        let step: u64 = optional(variable, "SLURM_STEP_ID")?.unwrap_or(0);
        let nodes: String = required(variable, "SLURM_STEP_NODELIST")?;
        let tasks: String = required(variable, "SLURM_STEP_TASKS_PER_NODE")?;
        let node = optional(variable, "SLURM_NODEID")?.unwrap_or(0);
        let first =
            first_node(&nodes).with_context(|| format!("SLURM_STEP_NODELIST is {nodes}"))?;
        let local_size = tasks_of_node(&tasks, node)
            .with_context(|| format!("SLURM_STEP_TASKS_PER_NODE is {tasks}"))?;
        Ok(Self {
            rank,
            size: required(variable, "SLURM_STEP_NUM_TASKS")?,
            local_rank: required(variable, "SLURM_LOCALID")?,
            local_size,
            host: variable("MASTER_ADDR").unwrap_or(first),
            port: optional(variable, "MASTER_PORT")?
                .unwrap_or(10_000 + ((job + 97 * step) % 20_000) as u16),
            listener: None,
            is_served: false,
            attempt: variable("SLURM_RESTART_COUNT").unwrap_or_else(|| "0".to_owned()),
            is_launched: false,
        })
    }

    /// Rank of the first process on this machine.
    pub fn leader(&self) -> usize {
        self.rank.saturating_sub(self.local_rank)
    }

    /// Where this process listens for the others: at the interface that `GLOO_SOCKET_IFNAME` names, or
    /// else at the address of this machine that leads to the store, which is the loopback's where the
    /// store is.
    ///
    /// # Errors
    /// If the store's host is unknown.
    pub fn listen(&self) -> Result<Listen> {
        if let Ok(interface) = env::var(INTERFACE)
            && !interface.is_empty()
        {
            return Ok(Listen::Interface(interface));
        }
        Ok(Listen::Address(self.own_address()?.to_string()))
    }

    /// The address of this machine that leads to the store's host.
    pub(crate) fn own_address(&self) -> Result<IpAddr> {
        let unknown = || format!("the host of rank 0 is not known: {} (MASTER_ADDR)", self.host);
        let all = (self.host.as_str(), self.port).to_socket_addrs().with_context(unknown)?;
        let host = all.min_by_key(|address| address.is_ipv6()).with_context(unknown)?;
        let any = if host.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
        // Nothing is sent: the kernel chooses the way, and with it our address.
        let socket = UdpSocket::bind(any).and_then(|socket| {
            socket.connect(host)?;
            socket.local_addr()
        });
        Ok(socket.with_context(|| format!("there is no way to {}", self.host))?.ip())
    }
}

fn optional<T: FromStr>(
    variable: &impl Fn(&str) -> Option<String>,
    name: &str,
) -> Result<Option<T>> {
    let Some(value) = variable(name) else { return Ok(None) };
    let parsed =
        value.parse().map_err(|_| usage(format!("{name} is {value}: not such a number")))?;
    Ok(Some(parsed))
}

fn required<T: FromStr>(variable: &impl Fn(&str) -> Option<String>, name: &str) -> Result<T> {
    optional(variable, name)?.ok_or_else(|| {
        usage(format!(
            "this is one of several processes by its environment, but {name} is not set; docs/distributed.md \
             has what is needed"
        ))
    })
}

/// The first of `node[03-07,9],other1`.
fn first_node(list: &str) -> Option<String> {
    let end = list.find([',', '[']).unwrap_or(list.len());
    let (name, rest) = list.split_at(end);
    let number = match rest.strip_prefix('[') {
        Some(numbers) => &numbers[..numbers.find(['-', ',', ']'])?],
        None => "",
    };
    Some(format!("{name}{number}")).filter(|name| !name.is_empty())
}

/// Of `4(x2),3` the number of `node`, counted from 0.
fn tasks_of_node(list: &str, node: usize) -> Option<usize> {
    let mut left = node;
    for part in list.split(',') {
        let (tasks, times) = match part.split_once("(x") {
            Some((tasks, times)) => (tasks, times.strip_suffix(')')?.parse().ok()?),
            None => (part, 1),
        };
        if left < times {
            return tasks.parse().ok();
        }
        left -= times;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Option<Place>> {
        let all: HashMap<String, String> =
            variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Place::of(|name| all.get(name).cloned())
    }

    const TORCHRUN: [(&str, &str); 8] = [
        ("RANK", "5"),
        ("WORLD_SIZE", "8"),
        ("LOCAL_RANK", "1"),
        ("LOCAL_WORLD_SIZE", "4"),
        ("MASTER_ADDR", "10.0.0.1"),
        ("MASTER_PORT", "29500"),
        ("TORCHELASTIC_RESTART_COUNT", "2"),
        ("TORCHELASTIC_USE_AGENT_STORE", "True"),
    ];

    #[test]
    fn nothing_set_is_alone() {
        assert_eq!(of(&[]).unwrap(), None);
        // As in a batch script of SLURM's, outside of `srun`.
        assert_eq!(of(&[("SLURM_PROCID", "0"), ("SLURM_NTASKS", "4")]).unwrap(), None);
    }

    #[test]
    fn variables_of_torchrun() {
        let place = of(&TORCHRUN).unwrap().unwrap();
        assert_eq!((place.rank, place.size, place.local_rank, place.local_size), (5, 8, 1, 4));
        assert_eq!((&*place.host, place.port, &*place.attempt), ("10.0.0.1", 29500, "2"));
        assert!(place.is_served && !place.is_launched);
        assert_eq!(place.leader(), 4);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (name, value, words) in [
            ("MASTER_PORT", "", "MASTER_PORT is not set"),
            ("WORLD_SIZE", "five", "WORLD_SIZE is five"),
            ("RANK", "8", "rank 8 of 8"),
        ] {
            let mut variables: Vec<_> =
                TORCHRUN.into_iter().filter(|(other, _)| *other != name).collect();
            if !value.is_empty() {
                variables.push((name, value));
            }
            let message = of(&variables).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn a_step_of_slurm() {
        let place = of(&[
            ("SLURM_PROCID", "9"),
            ("SLURM_STEP_NUM_TASKS", "11"),
            ("SLURM_LOCALID", "1"),
            ("SLURM_NODEID", "2"),
            ("SLURM_STEP_NODELIST", "gpu[07-08,12]"),
            ("SLURM_STEP_TASKS_PER_NODE", "4(x2),3"),
            ("SLURM_JOB_ID", "1234567"),
        ])
        .unwrap()
        .unwrap();
        assert_eq!((place.rank, place.size, place.local_rank, place.local_size), (9, 11, 1, 3));
        assert_eq!((&*place.host, place.leader()), ("gpu07", 8));
        assert_eq!(place.port, 10_000 + 14_567);
    }

    #[test]
    fn lists_of_slurm() {
        let cases =
            [("a1,a2", Some("a1")), ("n[3,5]x", Some("n3")), ("one", Some("one")), ("", None)];
        for (list, first) in cases {
            assert_eq!(first_node(list).as_deref(), first, "{list}");
        }
        assert_eq!(tasks_of_node("2,4(x3)", 0), Some(2));
        assert_eq!(tasks_of_node("2,4(x3)", 3), Some(4));
        assert_eq!(tasks_of_node("2,4(x3)", 4), None);
    }

    #[test]
    fn on_one_machine_all_stays_on_the_loopback_interface() {
        let mut place = of(&TORCHRUN).unwrap().unwrap();
        place.host = "127.0.0.1".to_owned();
        assert!(place.own_address().unwrap().is_loopback());
    }
}
