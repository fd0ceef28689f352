//! The programs, as a user runs them: a classifier is trained on generated images, killed, resumed,
//! interrupted and evaluated; SaShiMi is trained on spoken digits and generates.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tch::Device;

use super::{Setting, row};
use crate::programs::{Process, package};
use crate::row::Row;

/// For what a program does besides training: to start, to evaluate, to save.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn run(setting: &Setting, found: &mut dyn FnMut(Row)) -> Result<()> {
    let package = package()?;
    let out = std::path::absolute(setting.out.join("train"))?;
    // What an earlier check left there.
    let _ = fs::remove_dir_all(&out);
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let programs = Programs { setting, package, out };
    programs.classifier(found);
    programs.audio(found);
    Ok(())
}

struct Programs<'a> {
    setting: &'a Setting,
    package: PathBuf,
    out: PathBuf,
}

impl Programs<'_> {
    fn start(&self, program: &str, arguments: &[&str], log: &str) -> Result<Process> {
        let mut command = Command::new(self.package.join("bin").join(program));
        command.args(arguments).args(["--device", &self.setting.device_name, "--no-progress"]);
        Process::start(command.current_dir(&self.out), &self.out.join(log))
    }

    /// A third of the time, for each of three trainings.
    fn share(&self) -> Duration {
        self.setting.train / 3
    }

    fn classifier(&self, found: &mut dyn FnMut(Row)) {
        let run = self.out.join("pathfinder");
        let name = run.display().to_string();
        let mut arguments = vec![
            "train",
            "--task",
            "pathfinder",
            "--run-dir",
            &name,
            "--preset",
            if self.setting.quick { "small" } else { "paper" },
        ];
        let mut settings = vec!["data.eval_count=500", "train.log_every=10"];
        settings.extend(if self.setting.quick {
            [
                "train.checkpoint_every=2",
                "train.eval_every=4",
                "data.eval_count=20",
                "model.n_layers=1",
            ]
        } else {
            [
                "train.checkpoint_every=50",
                "train.eval_every=100",
                "data.eval_count=500",
                "data.difficulty=\"easy\"",
            ]
        });
        if self.setting.device != Device::Cpu {
            settings.push("train.precision=\"bf16\"");
        }
        for setting in &settings {
            arguments.extend(["--set", setting]);
        }
        found(row("lra-bench train, killed".into(), |row| {
            let mut process = self.start("lra-bench", &arguments, "lra-bench.txt")?;
            self.wait_for(&mut process, &run.join("checkpoints/last.safetensors"))?;
            process.kill()?;
            Ok(row.with("seconds", process.age().as_secs_f64()))
        }));
        found(row("lra-bench train --resume, interrupted".into(), |row| {
            let arguments = ["train", "--resume", &name];
            let mut process = self.start("lra-bench", &arguments, "lra-bench-resumed.txt")?;
            self.wait_for(&mut process, &run.join("checkpoints/best.safetensors"))?;
            end(&mut process)?;
            Ok(summarise(&run, row)?.with("seconds", process.age().as_secs_f64()))
        }));
        found(row("lra-bench evaluate".into(), |row| {
            let mut process =
                self.start("lra-bench", &["evaluate", &name, "--json"], "lra-bench-evaluate.txt")?;
            process.succeed(PATIENCE)?;
            let output = process.output();
            let json = output.lines().rfind(|line| line.starts_with('{'));
            let result: Value = serde_json::from_str(json.context("no JSON came out")?)?;
            let figure = |name: &str| result[name].as_f64().unwrap_or(f64::NAN);
            Ok(row
                .with("step", figure("step"))
                .with("accuracy", figure("accuracy"))
                .with("seconds", process.age().as_secs_f64()))
        }));
    }

    fn audio(&self, found: &mut dyn FnMut(Row)) {
        let run = self.out.join("audio");
        let name = run.display().to_string();
        let corpus = self.package.join("corpus/spoken-digits").display().to_string();
        found(row("sashimi train, interrupted".into(), |row| {
            let mut arguments =
                vec!["train", "--data", &corpus, "--run-dir", &name, "--preset", "small"];
            let settings = if self.setting.quick {
                [
                    "data.val_count=4",
                    "train.eval_every=2",
                    "train.batch_size=1",
                    "preview.count=0",
                    "data.length=1024",
                ]
            } else {
                [
                    "data.val_count=16",
                    "train.eval_every=50",
                    "train.batch_size=8",
                    "preview.count=0",
                    "data.length=8192",
                ]
            };
            for setting in &settings {
                arguments.extend(["--set", setting]);
            }
            let mut process = self.start("sashimi", &arguments, "sashimi.txt")?;
            self.wait_for(&mut process, &run.join("checkpoints/best.safetensors"))?;
            end(&mut process)?;
            Ok(summarise(&run, row)?.with("seconds", process.age().as_secs_f64()))
        }));
        found(row("sashimi generate".into(), |row| {
            let seconds = if self.setting.quick { "0.1" } else { "1" };
            let arguments = ["generate", &name, "--seconds", seconds];
            let mut process = self.start("sashimi", &arguments, "sashimi-generate.txt")?;
            process.succeed(PATIENCE)?;
            let files = fs::read_dir(run.join("samples"))?.count();
            ensure!(files > 0, "no audio was written");
            Ok(row.with("seconds", process.age().as_secs_f64()))
        }));
    }

    /// Waits until a training has had its time and `file` is there.
    fn wait_for(&self, process: &mut Process, file: &Path) -> Result<()> {
        let begin = process.age();
        let share = self.share();
        let clock = std::time::Instant::now();
        process.wait_until(begin + share + PATIENCE, || clock.elapsed() > share && file.exists())
    }
}

/// Ends a training as Ctrl-C does.
fn end(process: &mut Process) -> Result<()> {
    process.interrupt();
    let status = process.wait(PATIENCE)?;
    let code = i32::from(program::exit::INTERRUPTED);
    ensure!(status.code() == Some(code), "an interrupted run ends with {code}, this with {status}");
    Ok(())
}

/// What a run says of itself.
fn summarise(run: &Path, row: Row) -> Result<Row> {
    let text = fs::read_to_string(run.join("summary.json")).context("the run has no summary")?;
    let summary: Value = serde_json::from_str(&text)?;
    let figure = |name: &str| summary[name].as_f64().unwrap_or(f64::NAN);
    Ok(row.with("step", figure("step")).with("steps/s", figure("steps_per_s")))
}
