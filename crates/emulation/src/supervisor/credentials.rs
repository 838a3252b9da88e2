//! Credentials of threads: each distinct set has a number, which a thread carries in its timer slack.
//!
//! The kernel copies the slack of a thread to every thread and process that it makes, keeps it over `execve(2)`,
//! and forgets it with the thread: just what it does with real credentials. So nothing follows processes, and
//! there is no table that could be out of date. Number 0 is root.

use std::collections::HashMap;
use std::ffi::CString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ch_linux::{Errno, behalf};

use super::caller::Caller;
use super::{DONE, Replied, Reply, Supervisor};
use crate::calls::{CapabilitySets, Change, Identity, Pointer, Width};
use crate::credentials::{Ambient, Changed, Credentials, DEFAULT_TIMER_SLACK};

/// All sets that were ever had.
#[derive(Debug)]
pub(super) struct Known {
    sets: Mutex<Sets>,
    root: Arc<Credentials>,
    /// Somebody may be someone else than root.
    others: AtomicBool,
}

#[derive(Debug)]
struct Sets {
    numbers: HashMap<Arc<Credentials>, u32>,
    all: Vec<Arc<Credentials>>,
}

impl Known {
    pub(super) fn new() -> Self {
        let root = Arc::new(Credentials::root());
        Self {
            sets: Mutex::new(Sets {
                numbers: HashMap::from([(Arc::clone(&root), 0)]),
                all: vec![Arc::clone(&root)],
            }),
            root,
            others: AtomicBool::new(false),
        }
    }

    /// Those of a thread.
    pub(super) fn of(&self, thread: u32) -> Arc<Credentials> {
        let known = self.try_of(thread);
        known.unwrap_or_else(|| Arc::clone(&self.root))
    }

    /// The same; `None` of a thread that is gone.
    pub(super) fn try_of(&self, thread: u32) -> Option<Arc<Credentials>> {
        if !self.others.load(Ordering::Acquire) {
            return Some(Arc::clone(&self.root));
        }
        let mut text = [0; 32];
        let text = behalf::read(&slack_file(thread), &mut text).ok()?;
        let number = std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.trim().parse::<u64>().ok())
            .and_then(|slack| slack.checked_sub(DEFAULT_TIMER_SLACK))
            .and_then(|number| usize::try_from(number).ok())
            .unwrap_or(0);
        let sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(sets.all.get(number).unwrap_or(&self.root)))
    }

    /// Gives them to a thread.
    pub(super) fn set(&self, thread: u32, credentials: Credentials) -> Result<(), Errno> {
        let number = {
            let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
            match sets.numbers.get(&credentials) {
                Some(number) => *number,
                None => {
                    let number = u32::try_from(sets.all.len()).map_err(|_| Errno::AGAIN)?;
                    let credentials = Arc::new(credentials);
                    sets.all.push(Arc::clone(&credentials));
                    sets.numbers.insert(credentials, number);
                    number
                }
            }
        };
        if number != 0 {
            self.others.store(true, Ordering::Release);
        } else if !self.others.load(Ordering::Acquire) {
            return Ok(());
        }
        let slack = DEFAULT_TIMER_SLACK + u64::from(number);
        let file = slack_file(thread);
        let path = file.to_str().map_err(|_| Errno::AGAIN)?;
        std::fs::write(path, slack.to_string()).map_err(|_| Errno::AGAIN)
    }
}

fn slack_file(thread: u32) -> CString {
    let path = format!("{thread}/timerslack_ns");
    CString::new(path).expect("numbers and names of ours hold no NUL")
}

/// What programs on 16-bit identifiers see of larger ones (`overflowuid`).
const OVERFLOW: u16 = 65_534;

fn narrow(id: u32) -> u16 {
    u16::try_from(id).unwrap_or(OVERFLOW)
}

/// An identifier as a return value.
fn value(id: u32, width: Width) -> i64 {
    match width {
        Width::ThirtyTwo => id.into(),
        Width::Sixteen => narrow(id).into(),
    }
}

/// Identifiers as they lie in memory.
fn bytes(ids: &[u32], width: Width) -> Vec<u8> {
    match width {
        Width::ThirtyTwo => ids.iter().flat_map(|id| id.to_ne_bytes()).collect(),
        Width::Sixteen => ids
            .iter()
            .flat_map(|id| narrow(*id).to_ne_bytes())
            .collect(),
    }
}

/// Most supplementary groups that are read.
const MOST_GROUPS: u64 = 65_536;

/// `_LINUX_CAPABILITY_VERSION_*`, and how many words of each set they have.
const VERSIONS: [(u32, usize); 3] = [(0x1998_0330, 1), (0x2007_1026, 2), (0x2008_0522, 2)];
const NEWEST: u32 = 0x2008_0522;

impl Supervisor {
    pub(super) fn change(&self, caller: &Caller<'_>, change: &Change, width: Width) -> Replied {
        let old = self.credentials(caller);
        // -1 is nobody.
        let one = |id: Option<u32>| id.ok_or(Errno::INVAL);
        let (changed, value): (Changed, i64) = match *change {
            Change::User(id) => (one(id).and_then(|id| old.set_user(id)), 0),
            Change::Group(id) => (one(id).and_then(|id| old.set_group(id)), 0),
            Change::RealEffectiveUsers([real, effective]) => {
                (old.set_real_and_effective_users(real, effective), 0)
            }
            Change::RealEffectiveGroups([real, effective]) => {
                (old.set_real_and_effective_groups(real, effective), 0)
            }
            Change::Users([real, effective, saved]) => (old.set_users(real, effective, saved), 0),
            Change::Groups([real, effective, saved]) => (old.set_groups(real, effective, saved), 0),
            Change::FileUser(id) => (Ok(old.set_file_user(id)), value(old.users.file, width)),
            Change::FileGroup(id) => (Ok(old.set_file_group(id)), value(old.groups.file, width)),
            Change::Supplementary(count, from) => {
                (self.new_groups(caller, &old, count, from, width), 0)
            }
            Change::Capabilities(sets) => (new_capabilities(caller, &old, &sets), 0),
        };
        let changed = changed?;
        if changed != *old {
            self.known.set(caller.thread, changed)?;
        }
        Ok(Reply::Value(value))
    }

    fn new_groups(
        &self,
        caller: &Caller<'_>,
        old: &Credentials,
        count: u64,
        from: Pointer,
        width: Width,
    ) -> Changed {
        if !old.can(crate::credentials::Capability::Setgid) {
            return Err(Errno::PERM);
        }
        let size: usize = match width {
            Width::ThirtyTwo => 4,
            Width::Sixteen => 2,
        };
        if count > MOST_GROUPS {
            return Err(Errno::INVAL);
        }
        let mut list = vec![0; usize::try_from(count).unwrap_or(0) * size];
        caller.read(from, &mut list)?;
        let groups = list.chunks_exact(size).map(|group| match *group {
            [a, b] => u16::from_ne_bytes([a, b]).into(),
            [a, b, c, d] => u32::from_ne_bytes([a, b, c, d]),
            _ => 0,
        });
        old.set_supplementary(groups.collect())
    }

    pub(super) fn identity(&self, caller: &Caller<'_>, identity: Identity, width: Width) -> Reply {
        let credentials = self.credentials(caller);
        let id = match identity {
            Identity::User => credentials.users.real,
            Identity::EffectiveUser => credentials.users.effective,
            Identity::Group => credentials.groups.real,
            Identity::EffectiveGroup => credentials.groups.effective,
        };
        Reply::Value(value(id, width))
    }

    pub(super) fn identities(
        &self,
        caller: &Caller<'_>,
        places: [Pointer; 3],
        width: Width,
        users: bool,
    ) -> Replied {
        let credentials = self.credentials(caller);
        let ids = if users {
            credentials.users
        } else {
            credentials.groups
        };
        for (place, id) in places.into_iter().zip([ids.real, ids.effective, ids.saved]) {
            caller.write(place, &bytes(&[id], width))?;
        }
        DONE
    }

    pub(super) fn supplementary(
        &self,
        caller: &Caller<'_>,
        room: u64,
        to: Pointer,
        width: Width,
    ) -> Replied {
        let credentials = self.credentials(caller);
        let groups = &credentials.supplementary;
        let count = groups.len();
        // The kernel takes an `int`.
        if room > i32::MAX as u64 || (room != 0 && room < count as u64) {
            return Err(Errno::INVAL);
        }
        if room != 0 {
            caller.write(to, &bytes(groups, width))?;
        }
        Ok(Reply::Value(i64::try_from(count).unwrap_or(0)))
    }

    pub(super) fn capabilities(&self, caller: &Caller<'_>, sets: &CapabilitySets) -> Replied {
        let (words, thread) = match header(caller, sets.header) {
            // A caller without room for sets asks only for the version.
            Err(Errno::INVAL) if sets.data.0 == 0 => return DONE,
            other => other?,
        };
        let whose = match thread {
            0 => caller.thread,
            other if std::fs::exists(format!("{other}")).unwrap_or(false) => other,
            _ => return Err(Errno::SRCH),
        };
        if sets.data.0 == 0 {
            return DONE;
        }
        let of = self.known.of(whose).capabilities;
        let mut data = Vec::new();
        for word in 0..words {
            for set in [of.effective, of.permitted, of.inheritable] {
                data.extend(((set >> (32 * word)) as u32).to_ne_bytes());
            }
        }
        caller.write(sets.data, &data)?;
        DONE
    }

    pub(super) fn control(&self, caller: &Caller<'_>, arguments: [u64; 5]) -> Replied {
        let [operation, a, b, c, d] = arguments;
        let old = self.credentials(caller);
        let flag = |flag: bool| Ok(Reply::Value(flag.into()));
        let changed = match operation {
            7 => return flag(old.keeps_capabilities()),
            8 if a > 1 => return Err(Errno::INVAL),
            8 => old.keep_capabilities(a == 1)?,
            23 => return flag(old.may_ever_get(a)?),
            24 => old.drop_from_bounding(a)?,
            27 => return Ok(Reply::Value(old.secure_bits.into())),
            28 => old.set_secure_bits(a)?,
            29 => Credentials {
                timer_slack: if a == 0 { DEFAULT_TIMER_SLACK } else { a },
                ..(*old).clone()
            },
            30 => {
                let most = i64::MAX.cast_unsigned();
                return Ok(Reply::Value(old.timer_slack.min(most).cast_signed()));
            }
            47 if a == 1 && c == 0 && d == 0 => return flag(old.is_ambient(b)?),
            47 if c == 0 && d == 0 => match (a, b) {
                (2, _) => old.change_ambient(Ambient::Raise(b))?,
                (3, _) => old.change_ambient(Ambient::Lower(b))?,
                (4, 0) => old.change_ambient(Ambient::Clear)?,
                _ => return Err(Errno::INVAL),
            },
            47 => return Err(Errno::INVAL),
            _ => return Ok(Reply::Continue),
        };
        if changed != *old {
            self.known.set(caller.thread, changed)?;
        }
        DONE
    }
}

/// How many words each set has, and whose they are.
fn header(caller: &Caller<'_>, at: Pointer) -> Result<(usize, u32), Errno> {
    let mut header = [0; 8];
    caller.read(at, &mut header)?;
    let [a, b, c, d, rest @ ..] = header;
    let version = u32::from_ne_bytes([a, b, c, d]);
    let thread = i32::from_ne_bytes(rest);
    match VERSIONS.iter().find(|(known, _)| *known == version) {
        Some((_, words)) => {
            let thread = u32::try_from(thread).map_err(|_| Errno::INVAL)?;
            Ok((*words, thread))
        }
        None => {
            caller.write(at, &NEWEST.to_ne_bytes())?;
            Err(Errno::INVAL)
        }
    }
}

fn new_capabilities(caller: &Caller<'_>, old: &Credentials, sets: &CapabilitySets) -> Changed {
    let (words, thread) = header(caller, sets.header)?;
    if thread != 0 && thread != caller.thread {
        return Err(Errno::PERM);
    }
    let mut data = vec![0; 12 * words];
    caller.read(sets.data, &mut data)?;
    let mut new = [0u64; 3];
    for (index, word) in data.chunks_exact(4).enumerate() {
        let word = u32::from_ne_bytes([word[0], word[1], word[2], word[3]]);
        new[index % 3] |= u64::from(word) << (32 * (index / 3));
    }
    // Numbers beyond the last are as good as not there.
    let [effective, permitted, inheritable] = new.map(|set| set & crate::credentials::EVERY);
    old.set_capabilities(effective, permitted, inheritable)
}
