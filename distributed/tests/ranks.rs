//! Real processes that work together: the test program starts itself again as each rank.

use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;
use distributed::buckets::flat_sums;
use distributed::group::Group;
use distributed::store::{Server, Store};
use distributed::{Lost, Place, World};
use tch::{Device, Kind, Tensor};

/// What a rank is to do.
const WORK: &str = "S4_TEST_WORK";
/// How long an operation may take, in seconds.
const TIMEOUT: &str = "S4_TEST_TIMEOUT";

/// The test that is a rank when the variable is set.
#[test]
#[ignore = "the program that other tests start"]
fn rank() {
    let Ok(work) = std::env::var(WORK) else { return };
    let timeout = std::env::var(TIMEOUT).unwrap().parse().unwrap();
    let place = Place::of_environment().unwrap().unwrap();
    let done = World::join(place, Duration::from_secs(timeout)).and_then(|world| match &*work {
        "operations" => operations(&world),
        "first" => on_first(&world),
        "differ" => world.same("the colour", &[world.rank() as u8]),
        "killed" | "silent" => go_away(&world, &work),
        "caches" => caches(&world),
        "gradients" => gradients(&world),
        "shards" => shards(&world),
        other => panic!("no such work: {other}"),
    });
    if let Err(error) = done {
        let is_lost = error.chain().any(|cause| cause.is::<Lost>());
        eprintln!("{}{error:#}", if is_lost { "lost: " } else { "error: " });
        std::process::exit(1);
    }
}

/// All ranks of `work`, on a socket of their own.
fn start(size: usize, work: &str, timeout: u64) -> Vec<Child> {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (port, listener) = (socket.local_addr().unwrap().port(), socket.as_raw_fd());
    let start = |rank: usize| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "rank", "--include-ignored", "--nocapture", "--test-threads=1"])
            .env(WORK, work)
            .env(TIMEOUT, timeout.to_string())
            .env("MASTER_ADDR", "127.0.0.1")
            .env("MASTER_PORT", port.to_string())
            .env("WORLD_SIZE", size.to_string())
            .env("LOCAL_WORLD_SIZE", size.to_string())
            .env("RANK", rank.to_string())
            .env("LOCAL_RANK", rank.to_string())
            .env("OMP_NUM_THREADS", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if rank == 0 {
            command.env("S4_STORE_LISTENER", listener.to_string());
            // SAFETY: a plain system call between fork and exec.
            unsafe {
                command.pre_exec(move || {
                    libc::fcntl(listener, libc::F_SETFD, 0);
                    Ok(())
                });
            }
        }
        command.spawn().unwrap()
    };
    (0..size).map(start).collect()
}

fn ends(ranks: Vec<Child>) -> Vec<Output> {
    ranks.into_iter().map(|rank| rank.wait_with_output().unwrap()).collect()
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn succeed(size: usize, work: &str) {
    for (rank, output) in ends(start(size, work, 60)).iter().enumerate() {
        assert!(output.status.success(), "rank {rank}: {}", words(output));
    }
}

#[test]
fn operations_have_their_results_on_all_ranks() {
    for size in [2, 3] {
        succeed(size, "operations");
    }
}

fn operations(world: &World) -> Result<()> {
    let (rank, size) = (world.rank() as i64, world.size() as i64);
    let total = size * (size - 1) / 2;
    for kind in [Kind::Float, Kind::Double, Kind::BFloat16, Kind::Int64] {
        let x = Tensor::full([2, 3], rank, (kind, Device::Cpu));
        world.sum(&x)?;
        assert_eq!(x, Tensor::full([2, 3], total, (kind, Device::Cpu)));
        // What does not lie in order is summed all the same.
        let x = Tensor::arange(6, (kind, Device::Cpu)).view([2, 3]);
        let expected = &x * size;
        world.sum(&x.transpose(0, 1))?;
        assert_eq!(x, expected);
    }
    let x = Tensor::from_slice(&[rank + 5, -rank]);
    world.broadcast(&x)?;
    assert_eq!(Vec::<i64>::try_from(&x)?, [5, 0]);
    let all = world.gather(&Tensor::from_slice(&[rank, 10 * rank]))?;
    assert_eq!(all.size(), [size, 2]);
    assert_eq!(all.int64_value(&[size - 1, 1]), 10 * (size - 1));
    // Rank r has r rows: none, one, two.
    let rows = world.gather_rows(&Tensor::full([rank, 2], rank, (Kind::Double, Device::Cpu)))?;
    assert_eq!(rows.size(), [total, 2]);
    assert_eq!(rows.double_value(&[0, 0]), 1.0);
    assert_eq!(rows.double_value(&[total - 1, 1]), (size - 1) as f64);
    assert_eq!(world.sums(&[rank, 1])?, [total, size]);
    assert_eq!(world.any([rank == 1, false, true])?, [true, false, true]);
    world.same("a value", b"all alike")?;
    world.barrier()
}

#[test]
fn what_the_first_makes_or_fails_in_is_that_of_all() {
    succeed(2, "first");
}

fn on_first(world: &World) -> Result<()> {
    let made = world.from_first(|| Ok(vec![world.rank() as u8; 70_000]))?;
    assert_eq!(made, vec![0; 70_000]);
    assert!(world.from_first(|| Ok(Vec::new()))?.is_empty());
    let error = world.first_does(|| anyhow::bail!("the disk is full")).unwrap_err();
    assert_eq!(error.to_string(), "the disk is full");
    world.barrier()
}

#[test]
fn what_differs_is_named_with_its_rank() {
    for output in ends(start(2, "differ", 60)) {
        let words = words(&output);
        assert!(words.contains("error: the colour of rank 1 and of rank 0 differ"), "{words}");
    }
}

/// The last rank goes away while the others wait for it.
fn go_away(world: &World, how: &str) -> Result<()> {
    world.barrier()?;
    if world.rank() + 1 == world.size() {
        let signal = if how == "killed" { libc::SIGKILL } else { libc::SIGSTOP };
        // SAFETY: a signal to this process.
        unsafe { libc::raise(signal) };
    }
    world.sum(&Tensor::zeros([1000], (Kind::Double, Device::Cpu)))
}

#[test]
fn a_peer_that_is_killed_is_an_error_at_once() {
    let begin = Instant::now();
    let mut outputs = ends(start(3, "killed", 60));
    assert!(begin.elapsed() < Duration::from_secs(30), "they waited for the dead");
    assert_eq!(outputs.pop().unwrap().status.signal(), Some(libc::SIGKILL));
    for (rank, output) in outputs.iter().enumerate() {
        let words = words(output);
        let expected = format!("lost: rank {rank} of 3: all-reduce of 1000 numbers failed after");
        assert!(words.contains(&expected), "{words}");
        assert!(!words.contains("frame #"), "{words}");
    }
}

#[test]
fn a_peer_that_is_silent_is_an_error_after_the_timeout() {
    let begin = Instant::now();
    let mut ranks = start(2, "silent", 3);
    let mut silent = ranks.pop().unwrap();
    let output = ranks.pop().unwrap().wait_with_output().unwrap();
    assert!(begin.elapsed() > Duration::from_secs(3));
    silent.kill().unwrap();
    silent.wait().unwrap();
    let words = words(&output);
    assert!(words.contains("lost: rank 0 of 2: all-reduce of 1000 numbers failed"), "{words}");
    assert!(begin.elapsed() < Duration::from_secs(20));
}

#[test]
fn gradients_in_buckets_are_as_in_one_sum() {
    for size in [2, 3] {
        succeed(size, "gradients");
    }
}

fn gradients(world: &World) -> Result<()> {
    let options = (Kind::Float, Device::Cpu);
    tch::manual_seed(7);
    // Several buckets, and a parameter that is not used.
    let leaves: Vec<Tensor> = [300_000, 20, 400_000, 5, 7]
        .iter()
        .map(|&size| Tensor::randn([size], options).set_requires_grad(true))
        .collect();
    let params: Vec<&Tensor> = leaves.iter().collect();
    let buckets = world.buckets(&params)?.unwrap();
    let loss = || {
        let terms = leaves[..4].iter().zip(1..);
        let terms = terms.map(|(x, power)| x.pow_tensor_scalar(power).sum(Kind::Float));
        terms.sum::<Tensor>() * (world.rank() + 1) as f64
    };
    for _ in 0..2 {
        leaves.iter().for_each(|x| x.shallow_clone().zero_grad());
        buckets.begin()?;
        loss().backward();
        let sums = buckets.finish()?.unwrap();
        let own: Vec<Tensor> = leaves.iter().map(Tensor::grad).collect();
        for (sum, expected) in sums.iter().zip(flat_sums(world, &params, &own)?) {
            assert!(sum.allclose(&expected, 1e-6, 1e-6, false));
        }
        assert_eq!(sums[4], Tensor::zeros([7], options), "nobody has one");
    }
    // Twice: they are not what was summed, and stay as they are.
    buckets.begin()?;
    loss().backward();
    loss().backward();
    assert!(buckets.finish()?.is_none());
    world.barrier()
}

#[test]
fn shards_add_up_in_their_order_whoever_has_them() {
    for size in [2, 4] {
        succeed(size, "shards");
    }
    shards(&World::alone()).unwrap();
    // Whoever is first says why; others may see no more than that it has gone.
    let ends = ends(start(3, "shards", 60));
    ends.iter().for_each(|end| assert!(!end.status.success()));
    let said: Vec<String> = ends.iter().map(words).collect();
    let why = "4 shards cannot be divided evenly";
    assert!(said.iter().any(|words| words.contains(why)), "{said:?}");
}

fn shards(world: &World) -> Result<()> {
    let options = (Kind::Float, Device::Cpu);
    let made = std::sync::Mutex::new(0);
    let ranks = world.divided(4, |world| {
        assert_eq!((world.size(), world.is_alone()), (4, false));
        // In other orders 0 or 2 comes out.
        let x = Tensor::full([2], [1.0, 1e8, -1e8, 1.0][world.rank()], options);
        world.sum(&x)?;
        assert_eq!(x, Tensor::ones([2], options));
        let x = Tensor::from(world.rank() as i64 + 5);
        world.broadcast(&x)?;
        assert_eq!(x, Tensor::from(5));
        world.first_on_machine(|| {
            *made.lock().unwrap() += 1;
            Ok(())
        })?;
        world.barrier()?;
        on_first(world)?;
        let rows = Tensor::full([world.rank() as i64 % 2], world.rank() as i64, options);
        Ok(Vec::<f64>::try_from(world.gather_rows(&rows)?)?)
    })?;
    assert_eq!(*made.lock().unwrap(), 4 / world.size());
    assert_eq!(ranks, [1.0, 3.0]);
    Ok(())
}

#[test]
fn what_one_process_of_a_machine_makes_the_others_find() {
    succeed(3, "caches");
}

fn caches(world: &World) -> Result<()> {
    let path = std::env::temp_dir().join(format!("s4-caches-{}", std::env::var("MASTER_PORT")?));
    let was_there = world.first_on_machine(|| {
        let was_there = path.exists();
        // Longer than a beat of its heart.
        std::thread::sleep(Duration::from_millis(if was_there { 0 } else { 300 }));
        std::fs::write(&path, "made")?;
        Ok(was_there)
    })?;
    assert_eq!(was_there, world.rank() > 0);
    world.barrier()?;
    if world.is_first() {
        std::fs::remove_file(path)?;
    }
    world.barrier()
}

/// Where there is no GPU: with a CPU build of libtorch its constructors are not found, and with a CUDA
/// build they run as far as the search for a GPU.
#[test]
fn nccl_without_a_gpu_is_an_error() {
    let loaded = cuda::libtorch::load();
    if tch::Cuda::device_count() > 0 {
        return;
    }
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = socket.local_addr().unwrap().port();
    let server = Server::Here(socket.into_raw_fd());
    let timeout = Duration::from_secs(10);
    let store = Store::open("127.0.0.1", port, server, "nccl/", timeout).unwrap();
    let message = format!("{:#}", Group::nccl(&store, 0, 1, timeout).unwrap_err());
    let expected = if loaded.is_ok() { "no GPUs found" } else { "has no NCCL" };
    assert!(message.contains(expected), "{message}");
}
