//! What the judges have in common: a verdict a line, and an exit code that cannot be green when one was red.
#![allow(clippy::print_stdout, reason = "the verdicts are what these programs are for")]

use std::process::ExitCode;

/// The verdicts of one foreign program.
#[derive(Debug)]
pub struct Verdicts {
    judge: &'static str,
    passed: u32,
    failed: u32,
}

impl Verdicts {
    /// Nothing judged yet.
    pub fn of(judge: &'static str) -> Self {
        Self { judge, passed: 0, failed: 0 }
    }

    /// One verdict: `Err` says what was seen instead.
    pub fn add(&mut self, what: &str, verdict: Result<(), String>) {
        match verdict {
            Ok(()) => {
                self.passed += 1;
                println!("ok    {}: {what}", self.judge);
            }
            Err(seen) => {
                self.failed += 1;
                println!("FAIL  {}: {what}: {seen}", self.judge);
            }
        }
    }

    /// Failure when a verdict was red, or when their number is not the expected one: a check that is skipped is red too.
    pub fn finish(self, expected: u32) -> ExitCode {
        let Self { judge, passed, failed } = self;
        println!("{judge}: {passed} passed, {failed} failed, {expected} expected");
        if failed == 0 && passed == expected { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_red_or_a_missing_verdict_is_red() {
        let mut verdicts = Verdicts::of("test");
        verdicts.add("one", Ok(()));
        assert_eq!(verdicts.finish(1), ExitCode::SUCCESS);
        assert_eq!(Verdicts::of("test").finish(1), ExitCode::FAILURE);
        let mut verdicts = Verdicts::of("test");
        verdicts.add("one", Err("no".to_owned()));
        verdicts.add("two", Ok(()));
        assert_eq!(verdicts.finish(1), ExitCode::FAILURE);
    }
}
