//! Who is at the other end of a socket, and the call that older programs ask it by.

use ch_linux::{Errno, behalf};

use super::caller::Caller;
use super::object::UNKNOWN;
use super::{DONE, Replied, Reply, Supervisor};
use crate::calls::{PEER_OPTIONS, Pointer, SOL_SOCKET};

/// `SO_PEERCRED`; the other option is `SO_PEERGROUPS`.
const PEER_CREDENTIALS: u32 = 17;
/// `SYS_BIND`, `SYS_GETSOCKOPT`.
const BIND: u32 = 2;
const GET_OPTION: u32 = 15;

impl Supervisor {
    pub(super) fn peer_option(
        &self,
        caller: &Caller<'_>,
        socket: i32,
        option: u32,
        value: Pointer,
        length: Pointer,
    ) -> Replied {
        let Ok(ours) = behalf::copy_descriptor(caller.process(), socket) else {
            return Ok(Reply::Continue);
        };
        // Nobody is there, or it is no such socket.
        let Ok(peer) = behalf::peer(&ours) else {
            return Ok(Reply::Continue);
        };
        let credentials = self.known.try_of(peer);
        let bytes: Vec<u8> = if option == PEER_CREDENTIALS {
            // Of one who is gone nothing is known any more; he may have been anybody, so he is nobody.
            let ids = credentials.map_or((UNKNOWN, UNKNOWN), |known| {
                (known.users.effective, known.groups.effective)
            });
            let ids = [peer, ids.0, ids.1];
            ids.iter().flat_map(|id| id.to_ne_bytes()).collect()
        } else {
            let groups = credentials.iter().flat_map(|known| &known.supplementary);
            groups.flat_map(|group| group.to_ne_bytes()).collect()
        };
        let mut room = [0; 4];
        caller.read(length, &mut room)?;
        let room = usize::try_from(i32::from_ne_bytes(room)).map_err(|_| Errno::INVAL)?;
        let needed = u32::try_from(bytes.len()).unwrap_or(0);
        if option != PEER_CREDENTIALS && room < bytes.len() {
            caller.write(length, &needed.to_ne_bytes())?;
            return Err(Errno::RANGE);
        }
        let given = room.min(bytes.len());
        caller.write(value, &bytes[..given])?;
        let given = u32::try_from(given).unwrap_or(needed);
        caller.write(length, &given.to_ne_bytes())?;
        DONE
    }

    /// `socketcall(2)` of 32-bit programs.
    pub(super) fn socket_call(
        &self,
        caller: &Caller<'_>,
        call: u32,
        arguments: Pointer,
    ) -> Replied {
        let mut words = [0; 20];
        let count = if call == BIND { 12 } else { 20 };
        caller.read(arguments, &mut words[..count])?;
        let word = |index: usize| {
            let bytes = words[4 * index..4 * index + 4].try_into();
            u32::from_ne_bytes(bytes.expect("four bytes"))
        };
        let (socket, pointer) = (word(0).cast_signed(), |index| Pointer(word(index).into()));
        match call {
            BIND => self.bind(caller, socket, pointer(1), word(2).into()),
            GET_OPTION if word(1) == SOL_SOCKET && PEER_OPTIONS.contains(&word(2)) => {
                self.peer_option(caller, socket, word(2), pointer(3), pointer(4))
            }
            _ => Ok(Reply::Continue),
        }
    }
}
