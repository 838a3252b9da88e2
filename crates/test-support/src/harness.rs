//! For tests that have a `main` of their own (`harness = false`) because they start themselves again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

/// A claim, and what shows it.
pub type Case<F> = (&'static str, F);

/// Runs the cases of all sections, one after the other, each by `run`; prints their names, how many each section
/// has, and a closing line as the standard harness does. As there, an argument chooses the cases whose names
/// contain it.
#[expect(clippy::print_stdout, reason = "this is a test harness")]
pub fn run_cases<F>(sections: &[(&str, &[Case<F>])], run: impl Fn(&F)) -> ExitCode {
    let wanted = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let wanted = wanted.unwrap_or_default();
    let (mut passed, mut failed) = (0, 0);
    for (title, cases) in sections {
        let chosen = cases.iter().filter(|(name, _)| name.contains(&wanted));
        let mut count = 0;
        for (name, case) in chosen {
            let good = catch_unwind(AssertUnwindSafe(|| run(case))).is_ok();
            println!("test {name} ... {}", if good { "ok" } else { "FAILED" });
            passed += usize::from(good);
            failed += usize::from(!good);
            count += 1;
        }
        println!("{title}: {count} cases");
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {verdict}. {passed} passed; {failed} failed\n");
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
