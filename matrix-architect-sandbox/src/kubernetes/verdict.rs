//! From what was told of a command's end to the word for it.

use std::time::Duration;

use matrix_architect_core::traits::{ExitVerdict, Limits};

/// What the records of a command say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// The shell's code for its end.
    pub(super) code: Option<i32>,
    pub(super) flaw: Option<String>,
    pub(super) peak: u64,
    pub(super) most: u32,
    pub(super) user: Duration,
    pub(super) system: Duration,
    by_signal: bool,
    oom: u64,
    memory_exceeded: bool,
    disk_full: bool,
}

impl Told {
    /// Reads the records.
    pub(super) fn read(records: &[String]) -> Self {
        let mut told = Self::default();
        for record in records {
            if let Some(times) = record.strip_prefix("times ") {
                (told.user, told.system) = children(times);
                continue;
            }
            if let Some(flaw) = record.strip_prefix("flaw=") {
                told.flaw = Some(flaw.to_owned());
                continue;
            }
            for (name, value) in record.split(' ').filter_map(|word| word.split_once('=')) {
                match name {
                    "code" => told.code = value.parse().ok(),
                    "by" => told.by_signal |= value == "signal",
                    "oom" => told.oom = value.parse().unwrap_or(0),
                    "peak" => told.peak = told.peak.max(value.parse().unwrap_or(0)),
                    "most" => told.most = told.most.max(value.parse().unwrap_or(0)),
                    "exceeded" => told.memory_exceeded |= value == "memory",
                    "disk" => told.disk_full |= value == "full",
                    _ => {}
                }
            }
        }
        told
    }

    /// Whether it was told how the command ended.
    pub(super) const fn is_told(&self) -> bool {
        self.code.is_some() || self.memory_exceeded
    }

    /// The verdict on a command that we did not stop, with the code of the exec itself. Of a script
    /// that ended with its command only that code is known, and 128 and more was a signal.
    pub(super) fn verdict(&self, exec: i32, limits: &Limits) -> ExitVerdict {
        let code = self.code.unwrap_or(exec);
        if code == 0 {
            return ExitVerdict::Exited(0);
        }
        let by_signal = self.by_signal || self.code.is_none();
        let signal = (by_signal && (129..=192).contains(&code)).then(|| code - 128);
        match signal {
            _ if self.memory_exceeded || self.oom > 0 => ExitVerdict::OutOfMemory,
            Some(XCPU) => ExitVerdict::CpuExceeded,
            Some(KILL) if self.user + self.system >= limits.cpu => ExitVerdict::CpuExceeded,
            Some(XFSZ) => ExitVerdict::DiskExceeded,
            _ if self.disk_full => ExitVerdict::DiskExceeded,
            _ if self.most >= limits.processes => ExitVerdict::ProcessesExceeded,
            Some(signal) => ExitVerdict::Signalled(signal),
            None => ExitVerdict::Exited(code),
        }
    }
}

const KILL: i32 = 9;
const XCPU: i32 = 24;
const XFSZ: i32 = 25;

/// The second line of the shell's `times`: user and system time of what it waited for.
fn children(times: &str) -> (Duration, Duration) {
    let mut words = times.lines().nth(1).unwrap_or_default().split(' ').map(duration);
    (words.next().unwrap_or_default(), words.next().unwrap_or_default())
}

/// `1m2.345s`.
fn duration(word: &str) -> Duration {
    let parsed = word.trim_end_matches('s').split_once('m').and_then(|(minutes, seconds)| {
        let seconds = Duration::try_from_secs_f64(seconds.replace(',', ".").parse().ok()?).ok()?;
        Some(Duration::from_secs(minutes.parse::<u64>().ok()?.checked_mul(60)?) + seconds)
    });
    parsed.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(records: &[&str]) -> Told {
        Told::read(&records.iter().map(|record| (*record).to_owned()).collect::<Vec<_>>())
    }

    fn verdict(records: &[&str]) -> ExitVerdict {
        told(records).verdict(0, &Limits::default())
    }

    #[test]
    fn each_end_has_its_word() {
        assert_eq!(verdict(&["code=0 oom=0 disk=full"]), ExitVerdict::Exited(0));
        assert_eq!(verdict(&["code=7 oom=0"]), ExitVerdict::Exited(7));
        assert_eq!(verdict(&["code=139 oom=0 by=signal"]), ExitVerdict::Signalled(11));
        assert_eq!(verdict(&["code=137 oom=0"]), ExitVerdict::Exited(137));
        assert_eq!(verdict(&["code=137 oom=1"]), ExitVerdict::OutOfMemory);
        assert_eq!(verdict(&["exceeded=memory", "code=137 oom=0"]), ExitVerdict::OutOfMemory);
        assert_eq!(verdict(&["code=152 oom=0 by=signal"]), ExitVerdict::CpuExceeded);
        assert_eq!(verdict(&["code=153 oom=0 by=signal"]), ExitVerdict::DiskExceeded);
        assert_eq!(verdict(&["code=1 oom=0 disk=full"]), ExitVerdict::DiskExceeded);
        assert_eq!(verdict(&["peak=1 most=1024", "code=2 oom=0"]), ExitVerdict::ProcessesExceeded);
    }

    #[test]
    fn a_script_that_was_killed_with_its_command_is_judged_by_the_exec() {
        assert_eq!(told(&[]).verdict(137, &Limits::default()), ExitVerdict::Signalled(9));
        let hog = told(&["peak=9 most=2", "exceeded=memory"]);
        assert_eq!(hog.verdict(137, &Limits::default()), ExitVerdict::OutOfMemory);
        assert_eq!(hog.peak, 9);
    }

    #[test]
    fn times_are_those_of_the_children() {
        let told = told(&["times 0m0.01s 0m0.02s\n1m2.500000s 0m0.25s\n"]);
        assert_eq!(told.user, Duration::from_millis(62_500));
        assert_eq!(told.system, Duration::from_millis(250));
    }
}
