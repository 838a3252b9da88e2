//! Completion: what a shell offers after it has executed our script.

use ch_test_support::TestEnv;

use crate::{empty, with_base};

/// What bash offers for the last of `words`.
fn offered(env: &TestEnv, words: &[&str]) -> String {
    let script = "source <(ch-image completion bash) || exit
        COMP_WORDS=(\"$@\") COMP_CWORD=$(($# - 1)) COMP_TYPE=9
        _clap_complete_${1/-/_} \"$1\" \"${@: -1}\" && echo \"${COMPREPLY[@]}\"";
    let mut command = env.command("bash", ["-c", script, "bash"]);
    let own = env.root().join("bin");
    command
        .args(words)
        .env("PATH", format!("{}:/usr/bin:/bin", own.display()));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn commands_options_images_and_modes_are_offered() {
    let env = with_base();
    for (words, expected) in [
        (&["ch-image", "del"][..], "delete\n"),
        (&["ch-image", "delete", "b"], "base\n"),
        (&["ch-image", "pull", "--last"], "--last-layer\n"),
        (&["ch-image", "build", "--force=se"], "--force=seccomp\n"),
        (&["ch-run", "b"], "base\n"),
        (&["ch-run", "--no-pass"], "--no-passwd\n"),
    ] {
        assert_eq!(offered(&env, words), expected, "{words:?}");
    }
}

#[test]
fn every_shell_has_a_script_and_others_are_refused() {
    let env = with_base();
    for shell in ["bash", "zsh", "fish", "elvish"] {
        let script = env.image(["completion", shell]).success().stdout;
        assert!(
            script.contains("ch-image") && script.contains("ch-run"),
            "{shell}"
        );
    }
    env.image(["completion"])
        .exits(2)
        .complains("the following arguments are required: SHELL");
    env.image(["completion", "tcsh"])
        .exits(2)
        .complains("argument SHELL: invalid choice: 'tcsh'");
}

#[test]
fn asking_makes_no_storage_directory() {
    let env = empty();
    assert_eq!(offered(&env, &["ch-image", "delete", "b"]), "\n");
    assert!(!env.storage().exists());
}
