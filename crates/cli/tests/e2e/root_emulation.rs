//! Root that is none: what a `RUN` is told of owners, modes and itself, now and in later steps.

use ch_test_support::{TestEnv, debian_archive};

use crate::{empty, with_base};

/// An environment with Debian in its storage, which has all the programs that ask.
fn with_debian() -> TestEnv {
    let env = empty().with_default_emulation();
    let archive = debian_archive();
    env.image([
        "-q".as_ref(),
        "import".as_ref(),
        archive.as_os_str(),
        "debian".as_ref(),
    ])
    .success();
    env
}

/// What the commands of a build print.
fn build(env: &TestEnv, dockerfile: &str) -> String {
    env.write("context/Dockerfile", dockerfile);
    env.image(["build", "-t", "built", "context"])
        .success()
        .stdout
}

#[test]
fn what_is_set_is_seen_at_once_and_in_later_steps() {
    let env = with_base().with_default_emulation();
    let dockerfile = r"FROM base
RUN touch /f && chmod 4755 /f && echo x > /g && chmod 000 /g && mkdir /d && chmod 0 /d
RUN stat -c '%n %u:%g %a' /f /g /d; cat /g
RUN mkdir /d/in && chmod 555 /d && rm -f /g && echo done
RUN stat -c '%n %u:%g %a' /d /d/in /dev/null /proc
";
    let expected = "/f 0:0 4755\n/g 0:0 0\n/d 0:0 0\nx\ndone\n\
        /d 0:0 555\n/d/in 0:0 755\n/dev/null 0:0 666\n/proc 0:0 555\n";
    assert_eq!(build(&env, dockerfile), expected);
    // Nobody needs the program to delete what it made.
    env.run("rm", ["-rf", "../storage"]).success();
    assert!(!env.storage().exists());
}

#[test]
fn owners_of_every_kind_of_object_are_remembered() {
    let env = with_debian();
    let dockerfile = r"FROM debian
RUN cd /srv && touch f && mkdir d && ln -s f l && mkfifo p && mknod c c 1 3 && mknod b b 8 1 && chown -h 1:2 f d l p c b
RUN cd /srv && stat -c '%n %u:%g %F %t:%T' f d l p c b && cp -a l l2 && mv l l3 && mv p p2 && rm c && touch c
RUN cd /srv && stat -c '%n %u:%g %F' l2 l3 p2 c && chown -h 0:0 l3 && chown 3 p2
RUN cd /srv && stat -c '%n %u:%g' l3 p2 && find / -xdev -user 1 | sort
";
    let expected = "f 1:2 regular empty file 0:0\nd 1:2 directory 0:0\nl 1:2 symbolic link 0:0\n\
        p 1:2 fifo 0:0\nc 1:2 character special file 1:3\nb 1:2 block special file 8:1\n\
        l2 1:2 symbolic link\nl3 1:2 symbolic link\np2 1:2 fifo\nc 0:0 regular empty file\n\
        l3 0:0\np2 3:2\n/srv/b\n/srv/d\n/srv/f\n/srv/l2\n";
    assert_eq!(build(&env, dockerfile), expected);
}

#[test]
fn copies_have_the_owners_and_modes_that_the_author_says() {
    let env = with_base().with_default_emulation();
    env.write("context/tree/a/f", "f");
    std::os::unix::fs::symlink("f", env.path("context/tree/a/l")).unwrap();
    env.run("mkfifo", ["context/tree/p"]).success();
    env.run("chmod", ["-R", "u=rwX,go=rX", "context/tree"])
        .success();
    let dockerfile = r"FROM base
RUN echo 'ann:x:7:70::/:/bin/sh' >> /etc/passwd; echo 'staff:x:50:' >> /etc/group; mkdir -p /old/a; chown 5:6 /old
COPY --chown=ann:staff tree /t/u
COPY --chown=1:2 --chmod=4710 tree /old
COPY --chmod=u=rwX,go= tree /m/
COPY --chmod=07 tree/a/f /n/
RUN cd /t && stat -c '%n %u:%g %a %F' . u u/a u/a/f u/a/l u/p
RUN cd /old && stat -c '%n %u:%g %a' . a a/f a/l p; cd /m && stat -c '%n %u:%g %a' . a a/f a/l p
RUN stat -c '%n %u:%g %a' /n /n/f; cat /n/f; mv /t/u/a/l /moved && stat -c '%u:%g' /moved
";
    let expected = ". 7:50 755 directory\nu 7:50 755 directory\nu/a 7:50 755 directory\n\
        u/a/f 7:50 644 regular file\nu/a/l 7:50 777 symbolic link\nu/p 7:50 644 fifo\n\
        . 5:6 755\na 1:2 4710\na/f 1:2 4710\na/l 1:2 777\np 1:2 4710\n\
        . 0:0 755\na 0:0 700\na/f 0:0 600\na/l 0:0 777\np 0:0 600\n\
        /n 0:0 7\n/n/f 0:0 7\nf7:50\n";
    assert_eq!(build(&env, dockerfile), expected);
    let mut owners = Vec::new();
    for layer in std::fs::read_dir(env.storage().join("layers")).unwrap() {
        let text = std::fs::read_to_string(layer.unwrap().path().join("owners"));
        owners.extend(text.unwrap_or_default().lines().map(str::to_owned));
    }
    owners.sort_unstable();
    let expected = [
        "moved\t7:50:0777:symlink",
        "old/a/l\t1:2:0777:symlink",
        "old/p\t1:2:04710:pipe",
        "t/u/a/l\t7:50:0777:symlink",
        "t/u/p\t7:50:0644:pipe",
    ];
    assert_eq!(owners, expected);
    let inside = ["built", "--", "stat", "-c", "%a", "/old/a/f", "/n"];
    env.ch_run(inside).success().prints("710\n707\n");
    env.run("rm", ["-rf", "../storage"]).success();
}

#[test]
fn working_directories_belong_to_the_user() {
    let env = with_base().with_default_emulation();
    let dockerfile = r"FROM base
RUN echo 'ann:x:7:70::/:/bin/sh' >> /etc/passwd; mkdir /there
USER ann
WORKDIR /w/x
WORKDIR /there/y
USER 5
WORKDIR /five
USER 5:6
WORKDIR /
WORKDIR six
USER nobody-here
WORKDIR /zero
USER root
WORKDIR /root/w
RUN stat -c '%n %u:%g %a' /w /w/x /there /there/y /five /six /zero /root/w
";
    let expected = "/w 7:70 755\n/w/x 7:70 755\n/there 0:0 755\n/there/y 7:70 755\n\
        /five 5:5 755\n/six 5:6 755\n/zero 0:0 755\n/root/w 0:0 755\n";
    assert_eq!(build(&env, dockerfile), expected);
    // Where commands stay root, so do directories; they are none of the others.
    let dockerfile = "FROM base\nUSER 5\nWORKDIR /own\n";
    env.write("context/Dockerfile", dockerfile);
    let other = ["build", "--force=seccomp", "-t", "mid", "context"];
    env.image(other).success();
    let told = build(&env, "FROM mid\nUSER 0\nRUN stat -c '%u:%g' /own\n");
    assert_eq!(told, "0:0\n");
    let told = build(
        &env,
        &format!("{dockerfile}USER 0\nRUN stat -c '%u:%g' /own\n"),
    );
    assert_eq!(told, "5:5\n");
}

#[test]
fn commands_run_as_user_says() {
    let env = with_debian();
    let dockerfile = r#"FROM debian
RUN useradd -m -u 1234 -G mail joe && su joe -c 'touch ~/by-su' && setpriv --reuid 7 --clear-groups id -u
USER joe
RUN id; touch ~/mine; mkdir ~/dir; stat -c '%n %U:%G' ~/by-su ~/mine ~/dir; chown root ~/mine 2>&1; test -w /etc/passwd || echo protected
USER joe:games
RUN id -un; id -gn; id -G
USER 77
RUN id -u; id -g; whoami 2>&1 || true
USER root
RUN id -u; ls -ld /home/joe | cut -d' ' -f3,4
"#;
    let expected = "7\nuid=1234(joe) gid=1234(joe) groups=1234(joe),8(mail)\n\
        /home/joe/by-su joe:joe\n/home/joe/mine joe:joe\n/home/joe/dir joe:joe\n\
        chown: changing ownership of '/home/joe/mine': Operation not permitted\nprotected\n\
        joe\ngames\n60\n77\n0\nwhoami: cannot find name for user ID 77\n0\njoe joe\n";
    assert_eq!(build(&env, dockerfile), expected);
}

#[test]
fn a_user_whom_the_image_does_not_know_is_an_error_of_the_run() {
    let env = with_base().with_default_emulation();
    for (user, message) in [
        ("nobody-here", "no user nobody-here in the image"),
        ("0:none", "no group none in the image"),
    ] {
        let dockerfile = format!("FROM base\nUSER {user}\nRUN true\n");
        env.write("context/Dockerfile", dockerfile);
        let failed = env.image(["build", "context"]).exits(1);
        failed.complains(message);
    }
}

#[test]
fn programs_with_set_id_bits_have_their_owners() {
    let env = with_debian();
    let dockerfile = r"FROM debian
RUN cp /usr/bin/id /usr/bin/suid && chown 5:6 /usr/bin/suid && chmod 6755 /usr/bin/suid && cp /usr/bin/suid /usr/bin/plain && suid
USER 1000:1000
RUN suid; plain -u; suid -u; suid -ru
";
    let expected = "uid=0(root) gid=0(root) euid=5(games) egid=6(disk) groups=6(disk),0(root)\n\
        uid=1000 gid=1000 euid=5(games) egid=6(disk) groups=6(disk),1000\n1000\n5\n1000\n";
    assert_eq!(build(&env, dockerfile), expected);
}

#[test]
fn namespaces_of_its_own_are_the_kernels() {
    let env = with_debian();
    let dockerfile = r"FROM debian
RUN mkdir -p /root2/etc && cp -a /bin /lib* /usr /root2 2>/dev/null; chown 5:6 /root2/etc && chroot /root2 stat -c %u:%g /etc
RUN unshare -m sh -c 'mount -t tmpfs none /mnt && touch /mnt/x && chown 3:4 /mnt/x && stat -c %u:%g /mnt/x'; ls /mnt
RUN unshare -U sh -c 'id -u; cat /proc/self/uid_map'; id -u; unshare -r id -u
";
    let expected = "5:6
3:4
65534
0
0
";
    assert_eq!(build(&env, dockerfile), expected);
}

#[test]
fn force_alone_is_fakeroot_and_says_what_it_does() {
    let mut env = with_base().with_default_emulation();
    // An image of the family, whose package manager brings `fakeroot`.
    env.write(
        "context/apt-get",
        "#!/bin/sh\nmv /bin/fakeroot.new /bin/fakeroot 2>/dev/null; echo apt-get $*\n",
    );
    env.write("context/fakeroot", "#!/bin/sh\nexec \"$@\"\n");
    let dockerfile = "FROM base\nCOPY --chmod=755 apt-get /bin/\n\
        COPY --chmod=755 fakeroot /bin/fakeroot.new\nRUN echo 12 > /etc/debian_version\n";
    env.write("context/Dockerfile", dockerfile);
    env.image(["build", "-t", "debian", "context"]).success();
    env.write(
        "context/Dockerfile",
        "FROM debian\nRUN apt-get install it\n",
    );
    env.image(["build", "--force", "context"])
        .success()
        .prints("apt-get update\napt-get install -y fakeroot\napt-get install it\n")
        .complains("will use --force: debderiv: Debian, Ubuntu or a derivative\n")
        .complains("workarounds: init step 2: $ apt-get update && apt-get install -y fakeroot\n")
        .complains(
            "workarounds: RUN: new command: ['fakeroot', '/bin/sh', '-c', 'apt-get install it']\n",
        )
        .complains("--force: init OK & modified 1 RUN instructions\n");
    // The same mode by its name and by the variable.
    env.image(["build", "--force=fakeroot", "context"])
        .success()
        .complains("  2* RUN apt-get");
    env.set("CH_IMAGE_FORCE", "fakeroot");
    env.image(["build", "context"])
        .success()
        .complains("  2* RUN apt-get");
    env.write("context/Dockerfile", "FROM base\nRUN true\n");
    env.image(["build", "context"])
        .success()
        .complains("warning: --force not available (no suitable config found)\n")
        .complains("warning: --force specified, but nothing to do\n");
}

#[test]
fn fakeroot_installs_what_has_owners_of_its_own() {
    let env = with_debian();
    // The package has directories of its own user, and changes owners when it is configured.
    let dockerfile = "FROM debian\nENV DEBIAN_FRONTEND=noninteractive\n\
        RUN apt-get install -y --no-install-recommends man-db >/dev/null && stat -c %U /var/cache/man\n\
        RUN dpkg --audit && dpkg -s man-db | grep Status\nRUN stat -c %U /var/cache/man\n";
    env.write("context/Dockerfile", dockerfile);
    let built = env
        .image(["build", "--force", "context"])
        .success()
        .complains("workarounds: init step 1: $ echo 'APT::Sandbox::User \"root\";' > ")
        .complains("workarounds: init step 2: $ apt-get update && apt-get install -y fakeroot\n")
        .complains("--force: init OK & modified 2 RUN instructions\n");
    let told = "\nman\nStatus: install ok installed\nroot\n";
    assert!(built.stdout.ends_with(told), "{}", built.stdout);
}

#[test]
fn a_build_in_a_build_falls_back() {
    let env = with_base().with_default_emulation();
    let bin = env.root().join("bin");
    let program = std::fs::canonicalize(bin.join("ch-image")).unwrap();
    std::fs::copy(program, env.path("ch-image")).unwrap();
    env.write(
        "inner/Dockerfile",
        "FROM base\nRUN chown 5 /bin/sh && echo inner\n",
    );
    env.write("context/Dockerfile", "FROM base\nRUN cd /work && ./ch-image -s /tmp/s import base base && ./ch-image -s /tmp/s build inner\n");
    let bind = format!("{}:/work", env.path("").display());
    let built = env.image(["build", "-b", &bind, "context"]);
    // An overlay can't be the upper directory of another.
    built.exits(1).complains("overlay");
}

#[test]
fn what_runs_at_the_end_of_a_command_dies_without_a_word() {
    let env = with_base().with_default_emulation();
    // New programs are started all the time; one that failed would say so, in the image.
    let busy = "(while :; do /bin/true || echo failed >>/failed; done) 2>>/said &";
    for step in 1..=12 {
        let run = format!("RUN {busy} {busy} sleep 0.0{step:02}\n");
        env.write(
            "context/Dockerfile",
            format!("FROM base\n{run}RUN cat /said; ! cat /failed 2>/dev/null\n"),
        );
        env.image(["build", "context"]).success().prints("");
    }
}
