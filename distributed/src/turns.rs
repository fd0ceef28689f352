//! Ranks that are threads of one process and take turns: from one operation of all ranks to the next, one
//! of them runs.
//!
//! libtorch has one random generator in a process, and a process is within one
//! [shard](s4_core::shard) at a time. When its turn comes, a rank finds both as it left them.

use std::mem;
use std::panic::resume_unwind;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use program::exit::describe;
use program::output;
use s4_core::generator::GeneratorState;
use s4_core::shard;
use tch::Tensor;

/// Bytes of a rank's stack: those of a main thread.
const STACK: usize = 8 << 20;

/// One rank among those of this process.
#[derive(Debug, Clone)]
pub(crate) struct Seat {
    number: usize,
    turns: Arc<Turns>,
}

#[derive(Debug)]
struct Turns {
    count: usize,
    table: Mutex<Table>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Table {
    /// Whose turn it is.
    turn: usize,
    /// What the ranks bring to the operation under way, in their order.
    brought: Vec<Tensor>,
    /// Operations that are done.
    done: u64,
    /// What came of the last one, or why nothing did.
    gathered: Option<Result<Tensor, String>>,
    /// Ranks that have ended, in the order of their ends.
    ended: Vec<usize>,
}

/// Does `work` as each of `count` ranks, and returns what came of the first one, or the error of the one
/// that failed first.
pub(crate) fn take<T: Send>(count: usize, work: impl Fn(Seat) -> Result<T> + Sync) -> Result<T> {
    let turns = Arc::new(Turns { count, table: Mutex::default(), changed: Condvar::new() });
    let mut results: Vec<Option<Result<T>>> = thread::scope(|scope| {
        let start = |number| {
            let (seat, work) = (Seat { number, turns: turns.clone() }, &work);
            let thread = thread::Builder::new().stack_size(STACK);
            let started = thread.spawn_scoped(scope, move || seat.sit(work));
            started.inspect_err(|_| turns.end(number))
        };
        let threads: Vec<_> = (0..count).map(start).collect();
        let result = threads.into_iter().map(|thread| match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Err(error) => Err(error).context("a thread for a shard cannot be started"),
        });
        result.map(Some).collect()
    });
    let ended = mem::take(&mut turns.lock().ended);
    let failed = ended.into_iter().find(|&rank| matches!(results[rank], Some(Err(_))));
    results[failed.unwrap_or(0)].take().context("there are no shards")?
}

impl Turns {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands on the turn of rank `number`.
    fn next(&self, table: &mut Table, number: usize) {
        let others = (1..self.count).map(|distance| (number + distance) % self.count);
        if let Some(next) = others.into_iter().find(|other| !table.ended.contains(other)) {
            table.turn = next;
            self.changed.notify_all();
        }
    }

    /// Rank `number` takes part no more.
    fn end(&self, number: usize) {
        let mut table = self.lock();
        table.ended.push(number);
        if table.turn == number {
            self.next(&mut table, number);
        }
    }
}

/// Ends a rank, however it ends.
struct Leaving<'a>(&'a Seat);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.turns.end(self.0.number);
    }
}

impl Seat {
    /// Its number in this process, from 0.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// How many there are in this process.
    pub(crate) fn count(&self) -> usize {
        self.turns.count
    }

    fn sit<T>(self, work: impl Fn(Seat) -> Result<T>) -> Result<T> {
        let _leaving = Leaving(&self);
        drop(self.wait(self.turns.lock()));
        shard::resume(None);
        // All would say the same.
        if self.number > 0 {
            output::silence_thread();
        }
        // How libtorch divides a sum among threads decides about its bits.
        tch::set_num_threads(1);
        work(self.clone())
    }

    fn wait<'a>(&self, table: MutexGuard<'a, Table>) -> MutexGuard<'a, Table> {
        let others = |table: &mut Table| table.turn != self.number;
        self.turns.changed.wait_while(table, others).unwrap_or_else(PoisonError::into_inner)
    }

    /// `among` of what all ranks of this process bring, (ranks, ...), on all of them; the last one calls it.
    ///
    /// # Errors
    /// If another one has ended, and that of `among`.
    pub(crate) fn gather(
        &self,
        own: &Tensor,
        among: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let mut table = self.turns.lock();
        let alone = "another shard of this process has ended";
        ensure!(table.ended.is_empty(), alone);
        let done = table.done;
        table.brought.push(own.detach());
        if table.brought.len() == self.turns.count {
            let brought = mem::take(&mut table.brought);
            let all = Tensor::f_stack(&brought, 0).map_err(Into::into);
            let gathered = all.and_then(|all| among(&all));
            table.gathered = Some(gathered.map_err(|error| describe(&error)));
            table.done += 1;
        }
        let table = self.give_way(table)?;
        ensure!(table.done > done, alone);
        match &table.gathered {
            Some(Ok(all)) => Ok(all.shallow_clone()),
            Some(Err(message)) => Err(anyhow!(message.clone())),
            None => Err(anyhow!(alone)),
        }
    }

    /// Lets the others run until the turn is this one's again.
    fn give_way<'a>(&self, mut table: MutexGuard<'a, Table>) -> Result<MutexGuard<'a, Table>> {
        let random = GeneratorState::now(&Tensor::from(0.0))?;
        let shard = shard::current();
        self.turns.next(&mut table, self.number);
        let table = self.wait(table);
        shard::resume(shard);
        random.restore()?;
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;
    use parity::seeded;
    use tch::{Device, Kind};

    use super::*;

    fn gather(seat: &Seat, number: i64) -> Result<Vec<i64>> {
        let all = seat.gather(&Tensor::from(number), |all| Ok(all + 100))?;
        Ok(Vec::try_from(all)?)
    }

    #[test]
    fn all_have_what_all_bring_time_after_time() {
        for count in [1, 2, 4] {
            let work = |seat: Seat| {
                (0..3)
                    .map(|time| gather(&seat, 10 * time + seat.number() as i64))
                    .collect::<Result<Vec<_>>>()
            };
            let found = seeded(0, || take(count, work));
            let expected =
                |time: i64| (0..count as i64).map(|rank| 100 + 10 * time + rank).collect();
            assert_eq!(found.unwrap(), (0..3).map(expected).collect::<Vec<Vec<i64>>>());
        }
    }

    #[test]
    fn each_draws_its_own_random_numbers() {
        let draw = || Tensor::rand([3], (Kind::Double, Device::Cpu));
        let work = |seat: Seat| {
            tch::manual_seed(5);
            let first = draw();
            gather(&seat, 0)?;
            seat.gather(&Tensor::stack(&[first, draw()], 0), |all| Ok(all.copy()))
        };
        let drawn = seeded(0, || take(3, work)).unwrap();
        let expected = seeded(5, || Tensor::stack(&[draw(), draw()], 0));
        (0..3).for_each(|rank| assert_eq!(drawn.get(rank), expected));
    }

    #[test]
    fn one_that_fails_is_the_end_of_all() {
        for failing in 0..3 {
            let work = |seat: Seat| -> Result<()> {
                gather(&seat, 0)?;
                if seat.number() == failing {
                    bail!("rank {failing} is out of luck");
                }
                loop {
                    gather(&seat, 0)?;
                }
            };
            let message = seeded(0, || take(3, work)).unwrap_err().to_string();
            assert_eq!(message, format!("rank {failing} is out of luck"));
        }
        // What fails between all is the error of each.
        let work = |seat: Seat| seat.gather(&Tensor::from(0), |_| bail!("the others are gone"));
        let message = seeded(0, || take(2, work)).unwrap_err().to_string();
        assert_eq!(message, "the others are gone");
    }
}
