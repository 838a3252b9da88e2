//! From Dockerfile to image: the plan, the cache, the steps.
//!
//! [`build`] takes a syntax tree and an open storage directory. It first makes a plan of the stages
//! that the result needs, and refuses what can't be done before anything is pulled or created. Then
//! the images are pulled, and stages that do not need each other are built at the same time. In a stage
//! each instruction leads from one *state* to the next; a state that the storage knows is a hit, and
//! else its step is executed: `RUN` in a container, `COPY` and `WORKDIR` from outside, below a
//! descriptor of the mounted root. What only changes the configuration mounts nothing.
//!
//! Invariants: the processes that mount and execute are started by the first step that needs them, so
//! a build of hits starts none; a state is published only after its layers, an image only after its
//! states; nothing here prints ([`Event`] has the lines) or reads the environment ([`Options`] has it).

mod build;
mod context;
mod error;
mod event;
mod fakeroot;
mod key;
mod machinery;
mod name;
mod options;
mod plan;
mod record;
mod schedule;
mod scope;
mod similar;
mod stage;
mod step;

pub use build::{Built, Context, Pull, TakeOutput, Tell, build, check};
pub use context::error::{ChangedError, CopyError, ExcludedError, NoSourcesError, OutsideError};
pub use context::ignore::{IgnoreError, IgnoreFile};
pub use context::mode::ModeError;
pub use context::pattern::MalformedPatternError;
pub use error::{BuildError, Problem};
pub use event::{Event, Mark};
pub use fakeroot::{ForceCommand, ForceCommandError};
pub use name::{NoNameError, inferred_name};
pub use options::{BuildArgument, Cache, NoValueError, Options, PullPolicy, UnusedArguments};
pub use record::first_state;
pub use similar::similar_image;
