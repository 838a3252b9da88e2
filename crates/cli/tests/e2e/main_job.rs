//! The main job: Debian is pulled from a registry, grown, and run.

use ch_test_support::Registry;

use crate::{put_debian, using};

const DOCKERFILE: &str = r#"FROM debian:bookworm
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update && apt-get install -y --no-install-recommends python3 openssh-client
COPY answer.py /usr/local/lib/
RUN python3 /usr/local/lib/answer.py
"#;

#[test]
fn debian_is_pulled_grown_and_run() {
    let registry = Registry::start();
    let env = using(&registry);
    put_debian(&registry, &env);
    env.image(["pull", "debian:bookworm"])
        .success()
        .complains("done\n");
    env.image(["list"]).success().prints("debian:bookworm\n");

    env.write("grown/Dockerfile", DOCKERFILE);
    env.write("grown/answer.py", "print('the answer is', 6 * 7)\n");
    let built = env.image(["build", "grown"]).success();
    let built = built.complains("grown in 5 instructions: grown\n");
    assert!(
        built.stdout.ends_with("the answer is 42\n"),
        "the last RUN prints{built}"
    );
    env.ch_run(["grown", "--", "python3", "-c", "print(6*7)"])
        .success()
        .prints("42\n");

    let again = env.image(["build", "grown"]).success().prints("");
    let again = again.complains("  5* RUN python3 /usr/local/lib/answer.py\n");
    again.complains("grown in 5 instructions: grown\n");
}
