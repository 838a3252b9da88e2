//! `kill -9` at any instant: the next command works, and nothing half-made is seen.

use std::time::{Duration, Instant};

use ch_test_support::{Registry, TestEnv};

use crate::{put_debian, using, with_base};

/// How often each command is killed here; `tests/long/kills` does it more often.
fn kills() -> u32 {
    let number = std::env::var("CH_IMAGE_TEST_KILLS").ok();
    number.map_or(10, |number| {
        number.parse().expect("CH_IMAGE_TEST_KILLS is a number")
    })
}

/// Starts `ch-image` with `arguments` and kills it after `delay`; whether it was still running.
fn killed(env: &TestEnv, arguments: &[&str], delay: Duration) -> bool {
    let mut child = env.start("ch-image", arguments);
    std::thread::sleep(delay);
    let running = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    running
}

/// Delays spread evenly over how long a command takes.
fn delays(whole: Duration) -> impl Iterator<Item = Duration> {
    let number = kills();
    (0..number).map(move |index| whole * index / number)
}

#[test]
fn pull_is_killed() {
    let registry = Registry::start();
    let env = using(&registry);
    put_debian(&registry, &env);
    let pull = ["pull", "debian:bookworm"];
    let start = Instant::now();
    env.image(pull).success();
    let whole = start.elapsed();
    let mut interrupted = 0;
    for delay in delays(whole) {
        env.run("rm", ["-rf", "../storage"]).success();
        assert!(
            !env.storage().exists(),
            "the user can delete the storage directory"
        );
        interrupted += u32::from(killed(&env, &pull, delay));
        let listed = env.image(["list"]).success();
        let whole_or_nothing = ["", "debian:bookworm\n"].contains(&listed.stdout.as_str());
        assert!(whole_or_nothing, "after {delay:?}{listed}");
    }
    assert!(
        interrupted > 0,
        "no pull was still running when it was killed"
    );
    env.image(pull).success();
    env.ch_run(["debian:bookworm", "--", "cat", "/etc/debian_version"])
        .success();
    for delay in delays(whole) {
        killed(
            &env,
            &["pull", "--always-download", "debian:bookworm"],
            delay,
        );
        env.ch_run(["debian:bookworm", "--", "true"]).success();
    }
    println!("pull: killed {interrupted} times while it ran");
}

#[test]
fn build_is_killed() {
    let env = with_base();
    let steps = (0..8).map(|step| format!("RUN mkdir /d{step} && echo {step} > /d{step}/f\n"));
    let dockerfile = format!("FROM base\nCOPY file /\n{}", steps.collect::<String>());
    env.write("killed/Dockerfile", dockerfile);
    env.write("killed/file", "content\n");
    let build = ["build", "killed"];
    let start = Instant::now();
    env.image(build).success();
    let whole = start.elapsed();
    env.image(["delete", "killed"]).success();
    let mut interrupted = 0;
    for (index, delay) in delays(whole).enumerate() {
        // Each kill starts from new content, so that all steps are executed.
        env.write("killed/file", format!("content {index}\n"));
        interrupted += u32::from(killed(&env, &build, delay));
        let listed = env.image(["list"]).success();
        let whole_or_nothing = ["base\n", "base\nkilled\n"].contains(&listed.stdout.as_str());
        assert!(whole_or_nothing, "after {delay:?}{listed}");
        env.image(build).success();
        let all = "cat /file /d0/f /d7/f";
        let expected = format!("content {index}\n0\n7\n");
        env.ch_run(["killed", "--", "sh", "-c", all])
            .success()
            .prints(&expected);
        env.image(["delete", "killed"]).success();
    }
    assert!(
        interrupted > 0,
        "no build was still running when it was killed"
    );
    killed(&env, &["build", "--no-cache", "killed"], whole / 2);
    env.run("rm", ["-rf", "../storage"]).success();
    assert!(
        !env.storage().exists(),
        "the user can delete the storage directory"
    );
    println!("build: killed {interrupted} times while it ran");
}
