//! Cache keys: which state of the build an instruction leads to.
//!
//! `state(i + 1) = H(state(i), instruction, inputs, mode)`. What enters:
//!
//! | Instruction | Enters | Does not |
//! |---|---|---|
//! | `FROM` | identity of the base: pulled, its manifest's digest; built, its last state and what `RUN` sees of its configuration | name and tag |
//! | `ARG`, `ENV` | name and value, when defined | comments, spacing; the value of a pass-through variable |
//! | `RUN` | argument vector, directory, user, emulation and what it makes of the command, binds, platform | environment (`ARG` and `ENV` are links of the chain), content of binds |
//! | preparation for `fakeroot` | check, command, and all that enters for `RUN` | the recipe's name |
//! | `COPY` | destination, numbers of `--chown`, `--chmod`, and of each object: path, kind, mode, link target, `user.*` attributes, content; names and texts of here-documents | mtime, inode, names of owners |
//! | `COPY --from` | destination, `--chmod`, `--chown`, and of each object: path, what is believed of it (kind, mode, owner), link target, attributes, content | times, inode, and which stage or image has it |
//! | `WORKDIR` | result, and the numbers of who would own it | |
//! | `USER`, `SHELL` | result | |
//! | `LABEL`, `CMD`, `ENTRYPOINT`, `EXPOSE`, `VOLUME`, `STOPSIGNAL`, `HEALTHCHECK`, `MAINTAINER`, `ONBUILD` | nothing: the configuration is computed anew on every build | everything |

mod hash;

pub(crate) use hash::KeyHash;
