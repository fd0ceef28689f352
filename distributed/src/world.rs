//! The processes that train together.

use std::fmt::Display;
use std::net::TcpListener;
use std::os::fd::IntoRawFd;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, anyhow, ensure};
use program::exit::describe;
use program::interrupt;
use s4_core::shard::Peers;
use sha2::{Digest, Sha256};
use tch::{Device, Kind, Tensor};

use crate::buckets::Buckets;
use crate::group::Group;
use crate::lost::Lost;
use crate::place::Place;
use crate::store::{Server, Store};
use crate::turns::{self, Seat};

/// How often a process that waits for another one looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// This process among those that train one model together; alone, each operation leaves what it is
/// given. Within [`Self::divided`] it is one of several threads that stand for processes.
///
/// All processes call the same operations in the same order. Each comes to its end within the timeout
/// or is an error ([`Lost`]), after which there is nothing more to be done together.
#[derive(Debug, Clone)]
pub struct World {
    /// `None`: there is no other process.
    members: Option<Arc<Members>>,
    /// Which of the threads that stand for processes this is.
    seat: Option<Seat>,
}

#[derive(Debug)]
struct Members {
    place: Place,
    timeout: Duration,
    store: Store,
    /// For tensors on CPUs, and what the host has to say.
    host: Group,
    /// For tensors on CUDA devices.
    device: OnceLock<Group>,
}

impl World {
    /// One process.
    pub fn alone() -> Self {
        Self { members: None, seat: None }
    }

    /// Meets the other processes. All have the same `timeout`, which holds for each operation.
    ///
    /// # Errors
    /// If they do not come in time.
    pub fn join(place: Place, timeout: Duration) -> Result<Self> {
        let listener = match place.listener {
            Some(listener) => Some(listener),
            None if place.rank == 0 && !place.is_served => Some(bind(&place)?),
            None => None,
        };
        let server = match listener {
            Some(listener) if place.rank == 0 && !place.is_served => Server::Here(listener),
            _ => Server::Elsewhere,
        };
        // After a restart torchrun's store still has the addresses of the processes before.
        let prefix = format!("s4/{}/", place.attempt);
        let store = Store::open(&place.host, place.port, server, &prefix, timeout)?;
        let host = Group::gloo(&store, place.rank, place.size, &place.listen()?, timeout)?;
        let device = OnceLock::new();
        let members = Some(Arc::new(Members { place, timeout, store, host, device }));
        Ok(Self { members, seat: None })
    }

    /// Does `work` as each of `count` ranks, of which every process has as many, and returns what came of
    /// the first one here. They are threads that take turns, and what they sum is added up in the order
    /// of their numbers: on CPUs the result has the same bits, however many processes there are.
    ///
    /// # Errors
    /// If the number of processes does not divide `count`, and that of `work`.
    pub fn divided<T: Send>(
        &self,
        count: usize,
        work: impl Fn(&Self) -> Result<T> + Sync,
    ) -> Result<T> {
        let processes = self.processes();
        ensure!(
            count > 0 && count.is_multiple_of(processes),
            "{count} shards cannot be divided evenly among {processes} processes"
        );
        let members = || self.members.clone();
        turns::take(count / processes, |seat| work(&Self { members: members(), seat: Some(seat) }))
    }

    /// Lets tensors on CUDA devices go from one to another by NCCL, if `device` is one: otherwise they
    /// would go through the hosts. All processes call it, each with a device of its own.
    ///
    /// # Errors
    /// If the kinds of devices differ, or libtorch has no NCCL.
    pub fn on_device(&self, device: Device) -> Result<()> {
        let Some(members) = &self.members else { return Ok(()) };
        self.same("the kind of device", &[u8::from(device.is_cuda())])?;
        if device.is_cuda() {
            cuda::libtorch::load().map_err(|message| anyhow!(message))?;
            let Members { place, store, timeout, .. } = &**members;
            let group = Group::nccl(&store.under("device/")?, place.rank, place.size, *timeout)?;
            let _ = members.device.set(group.sharing_fate_with(&members.host));
        }
        Ok(())
    }

    /// Number of this process, or of the thread that stands for one, from 0.
    pub fn rank(&self) -> usize {
        let rank = self.members.as_ref().map_or(0, |members| members.place.rank);
        self.seat.as_ref().map_or(rank, |seat| rank * seat.count() + seat.number())
    }

    /// How many processes there are, or threads that stand for one.
    pub fn size(&self) -> usize {
        self.processes() * self.seat.as_ref().map_or(1, Seat::count)
    }

    /// How many processes there are.
    pub fn processes(&self) -> usize {
        self.members.as_ref().map_or(1, |members| members.place.size)
    }

    /// Whether there is one process only.
    pub fn is_alone(&self) -> bool {
        self.members.is_none() && !self.is_divided()
    }

    /// Whether this is a thread that stands for a process ([`Self::divided`]).
    pub fn is_divided(&self) -> bool {
        self.seat.is_some()
    }

    /// Whether this is the process that writes and speaks.
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// Number of this process among those on its machine, and how many those are.
    pub fn on_machine(&self) -> (usize, usize) {
        self.members
            .as_ref()
            .map_or((0, 1), |members| (members.place.local_rank, members.place.local_size))
    }

    /// Whether [`crate::launcher`] started this process, and says what became of it.
    pub fn is_launched(&self) -> bool {
        self.members.as_ref().is_some_and(|members| members.place.is_launched)
    }

    /// Whether the processes were started anew after a failure, as torchrun does.
    pub fn is_restarted(&self) -> bool {
        self.members.as_ref().is_some_and(|members| members.place.attempt != "0")
    }

    /// How another process was lost, if one was: wherever that was noticed, in a forward or backward
    /// pass even, and whatever error came of it.
    pub fn lost(&self) -> Option<&str> {
        self.members.as_ref()?.host.lost()
    }

    /// Replaces `tensor` by the sum of all processes' tensors.
    ///
    /// # Errors
    /// [`Lost`].
    pub fn sum(&self, tensor: &Tensor) -> Result<()> {
        if self.is_divided() {
            let all = self.gather(tensor)?;
            let rest = (1..self.size() as i64).map(|rank| all.get(rank));
            return replace(tensor, &rest.fold(all.get(0), |sum, x| sum + x));
        }
        let Some(members) = &self.members else { return Ok(()) };
        members.on_group(tensor, Group::all_reduce)
    }

    /// Replaces `tensor` by that of the first process.
    ///
    /// # Errors
    /// [`Lost`].
    pub fn broadcast(&self, tensor: &Tensor) -> Result<()> {
        if self.is_divided() {
            return replace(tensor, &self.gather(tensor)?.get(0));
        }
        let Some(members) = &self.members else { return Ok(()) };
        members.on_group(tensor, |group, tensor| group.broadcast(tensor, 0))
    }

    /// `tensor` of each process, (processes, ...).
    ///
    /// # Errors
    /// [`Lost`].
    pub fn gather(&self, tensor: &Tensor) -> Result<Tensor> {
        if let Some(seat) = &self.seat {
            let processes = Self { seat: None, ..self.clone() };
            return seat.gather(tensor, |own| Ok(processes.gather(own)?.flatten(0, 1)));
        }
        let Some(members) = &self.members else { return Ok(tensor.unsqueeze(0)) };
        if let Some(group) = members.device.get().filter(|_| tensor.device().is_cuda()) {
            return group.all_gather(tensor);
        }
        let gathered = members.host.all_gather(&tensor.to_device(Device::Cpu))?;
        Ok(gathered.to_device(tensor.device()))
    }

    /// The rows of all processes' tensors, in the order of the processes. They may have different
    /// numbers of rows, and no rows.
    ///
    /// # Errors
    /// [`Lost`].
    pub fn gather_rows(&self, tensor: &Tensor) -> Result<Tensor> {
        if self.is_alone() {
            return Ok(tensor.shallow_clone());
        }
        let rows = Vec::<i64>::try_from(self.gather(&Tensor::from(tensor.size()[0]))?)?;
        let most = rows.iter().copied().max().unwrap_or(0);
        let mut shape = tensor.size();
        shape[0] = most - shape[0];
        let filled = Tensor::f_cat(
            &[tensor, &tensor.f_new_zeros(&shape, (tensor.kind(), tensor.device()))?],
            0,
        )?;
        let all = self.gather(&filled)?;
        let parts =
            rows.iter().enumerate().map(|(rank, &rows)| all.get(rank as i64).narrow(0, 0, rows));
        Ok(Tensor::f_cat(&parts.collect::<Vec<_>>(), 0)?)
    }

    /// Buckets for the gradients of `params`, leaves of one kind and device; `None` if this process is
    /// alone, or [`Self::is_divided`]. All processes make them at the same time.
    ///
    /// # Errors
    /// [`Lost`].
    pub fn buckets(&self, params: &[&Tensor]) -> Result<Option<Buckets>> {
        let (Some(members), None) = (&self.members, &self.seat) else { return Ok(None) };
        let Members { place, store, timeout, host, device } = &**members;
        let (rank, size, store) = (place.rank, place.size, store.under("gradients/")?);
        let group = match device.get() {
            Some(_) => Group::nccl(&store, rank, size, *timeout)?,
            None if params.iter().all(|param| param.device() == Device::Cpu) => {
                Group::gloo(&store, rank, size, &place.listen()?, *timeout)?
            }
            None => return Ok(None),
        };
        Buckets::new(group.sharing_fate_with(host), params).map(Some)
    }

    /// Waits until all processes are here.
    ///
    /// # Errors
    /// [`Lost`].
    pub fn barrier(&self) -> Result<()> {
        match (&self.members, &self.seat) {
            (_, Some(_)) => self.gather(&Tensor::from(0)).map(drop),
            (Some(members), None) => members.host.barrier(),
            (None, None) => Ok(()),
        }
    }

    /// The sums of all processes' numbers.
    ///
    /// # Errors
    /// [`Lost`].
    pub fn sums(&self, numbers: &[i64]) -> Result<Vec<i64>> {
        if self.is_alone() {
            return Ok(numbers.to_vec());
        }
        let tensor = Tensor::from_slice(numbers);
        self.sum(&tensor)?;
        Ok(Vec::try_from(tensor)?)
    }

    /// Whether each of `flags` is set in any of the processes.
    ///
    /// # Errors
    /// [`Lost`].
    pub fn any<const N: usize>(&self, flags: [bool; N]) -> Result<[bool; N]> {
        if self.is_alone() {
            return Ok(flags);
        }
        let sums = self.sums(&flags.map(i64::from))?;
        Ok(std::array::from_fn(|i| sums[i] > 0))
    }

    /// The error of the first process that has one, on all; `None` where none has.
    ///
    /// # Errors
    /// [`Lost`].
    pub fn failure(&self, error: Option<Error>) -> Result<Option<Error>> {
        if self.is_alone() {
            return Ok(error);
        }
        let [failed] = self.any([error.is_some()])?;
        if !failed {
            return Ok(None);
        }
        let text = error.as_ref().map_or_else(String::new, describe);
        let texts = self.gather_rows(&Tensor::f_from_slice(text.as_bytes())?)?;
        if error.is_some() {
            return Ok(error);
        }
        let text = Vec::<u8>::try_from(texts)?;
        Ok(Some(anyhow!("another process failed: {}", String::from_utf8_lossy(&text))))
    }

    /// What the first process makes, on all. Its error is the error of all.
    ///
    /// # Errors
    /// That of `make`, and [`Lost`].
    pub fn from_first(&self, make: impl FnOnce() -> Result<Vec<u8>>) -> Result<Vec<u8>> {
        if self.is_alone() {
            return make();
        }
        let made = self.is_first().then(make);
        let (failed, bytes) = match &made {
            Some(Ok(bytes)) => (0, bytes.clone()),
            Some(Err(error)) => (1, describe(error).into_bytes()),
            None => (0, Vec::new()),
        };
        let head = Tensor::from_slice(&[failed, bytes.len() as i64]);
        self.broadcast(&head)?;
        let (failed, size) = (head.int64_value(&[0]) != 0, head.int64_value(&[1]));
        let body = if self.is_first() {
            Tensor::f_from_slice(&bytes)?
        } else {
            Tensor::f_empty([size], (Kind::Uint8, Device::Cpu))?
        };
        if size > 0 {
            self.broadcast(&body)?;
        }
        if let Some(made) = made {
            return made;
        }
        let bytes = Vec::<u8>::try_from(body)?;
        ensure!(!failed, "{}", String::from_utf8_lossy(&bytes));
        Ok(bytes)
    }

    /// Does `work` on the first process while the others wait. Its error is the error of all.
    ///
    /// # Errors
    /// That of `work`, and [`Lost`].
    pub fn first_does(&self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        self.from_first(|| work().map(|()| Vec::new())).map(drop)
    }

    /// Makes sure that `value` is the same on all processes.
    ///
    /// # Errors
    /// If it differs, with `what` it is and where; and [`Lost`].
    pub fn same(&self, what: impl Display, value: &[u8]) -> Result<()> {
        if self.is_alone() {
            return Ok(());
        }
        let hash = Sha256::digest(value);
        let all = self.gather(&Tensor::from_slice(&hash[..]))?;
        let other = (1..self.size()).find(|&rank| all.get(rank as i64) != all.get(0));
        if let Some(other) = other {
            anyhow::bail!(
                "{what} of rank {other} and of rank 0 differ: all processes must have the same program, \
                 settings and data"
            );
        }
        Ok(())
    }

    /// Does `work` on the first process of each machine, and then on its others: what the first one
    /// leaves in a cache need not be made again. For as long as it takes, if only it is alive.
    ///
    /// # Errors
    /// Those of `work`, and [`Lost`].
    pub fn first_on_machine<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        match (&self.members, &self.seat) {
            // Those that take turns come after the first one anyway.
            (_, Some(seat)) if seat.number() > 0 => work(),
            (Some(members), _) if members.place.local_size > 1 => members.first_on_machine(work),
            _ => work(),
        }
    }
}

impl Peers for World {
    fn sum(&self, x: &Tensor) -> Result<()> {
        Self::sum(self, x)
    }

    fn gather(&self, x: &Tensor) -> Result<Tensor> {
        Self::gather(self, x)
    }
}

impl Members {
    /// Does `work` with the group of the tensor's device, and leaves the result in `tensor`.
    fn on_group(
        &self,
        tensor: &Tensor,
        work: impl FnOnce(&Group, &Tensor) -> Result<()>,
    ) -> Result<()> {
        let (group, device) = match self.device.get() {
            Some(group) if tensor.device().is_cuda() => (group, tensor.device()),
            _ => (&self.host, Device::Cpu),
        };
        if tensor.device() == device && tensor.is_contiguous() {
            return work(group, tensor);
        }
        let copy = tensor.detach().f_to_device(device)?.f_contiguous()?;
        work(group, &copy)?;
        replace(tensor, &copy)
    }

    fn first_on_machine<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let leader = self.place.leader();
        let (alive, done) = (format!("alive/{leader}"), format!("done/{leader}"));
        if self.place.local_rank == 0 {
            let (stop, stopped) = channel::<()>();
            let result = thread::scope(|scope| {
                // A process that was suspended does not count on.
                scope.spawn(move || {
                    while stopped.recv_timeout(self.timeout / 4) == Err(RecvTimeoutError::Timeout) {
                        if self.store.add(&alive, 1).is_err() {
                            return;
                        }
                    }
                });
                let result = work();
                drop(stop);
                result
            });
            self.store.set(&done, if result.is_ok() { b"well" } else { b"failed" })?;
            return result;
        }
        let begin = Instant::now();
        let lost = |cause: String| Lost {
            rank: self.place.rank,
            size: self.place.size,
            operation: format!("waiting until rank {leader} has the data"),
            after: begin.elapsed(),
            cause,
        };
        let (mut beats, mut heard) = (0, Instant::now());
        let word = loop {
            interrupt::check()?;
            let found = self.store.get(&done).map_err(|error| lost(describe(&error)))?;
            if let Some(word) = found {
                break word;
            }
            let now = self.store.add(&alive, 0).map_err(|error| lost(describe(&error)))?;
            if now != beats {
                (beats, heard) = (now, Instant::now());
            }
            if heard.elapsed() > self.timeout {
                return Err(lost(format!("it is silent for {:?}", self.timeout)).into());
            }
            thread::sleep(LOOK_EVERY);
        };
        if word != b"well" {
            return Err(lost("it failed".to_owned()).into());
        }
        work()
    }
}

/// Puts what is in `by` into `tensor`.
fn replace(tensor: &Tensor, by: &Tensor) -> Result<()> {
    let _guard = tch::no_grad_guard();
    tensor.detach().f_copy_(by)?;
    Ok(())
}

/// A socket for the store, at the address that leads to it alone: left to itself, it would listen on all
/// interfaces.
fn bind(place: &Place) -> Result<i32> {
    let address = (place.own_address()?, place.port);
    let listener = TcpListener::bind(address).with_context(|| {
        format!(
            "the store cannot be served at {}:{} (MASTER_ADDR, MASTER_PORT); is this the machine of that \
             name, and the port free?",
            address.0, address.1
        )
    })?;
    Ok(listener.into_raw_fd())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alone_each_operation_leaves_what_it_is_given() {
        let world = World::alone();
        let x = Tensor::from_slice(&[1.0, 2.0]);
        world.sum(&x).unwrap();
        world.broadcast(&x).unwrap();
        world.barrier().unwrap();
        world.same("settings", b"a").unwrap();
        assert_eq!(Vec::<f64>::try_from(&x).unwrap(), [1.0, 2.0]);
        assert_eq!(world.gather(&x).unwrap().size(), [1, 2]);
        assert_eq!(world.gather_rows(&x).unwrap(), x);
        assert_eq!(world.any([true, false]).unwrap(), [true, false]);
        assert_eq!(world.from_first(|| Ok(vec![7])).unwrap(), [7]);
        assert_eq!((world.rank(), world.size()), (0, 1));
    }
}
