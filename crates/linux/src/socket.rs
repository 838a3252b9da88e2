//! Sequenced-packet sockets that carry descriptors.
//!
//! Two processes of this program talk in whole messages: one `send` is one `receive`, with the
//! descriptors that belong to it. Every descriptor received is close-on-exec.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

use crate::SyscallError;

/// Longest message that is sent or received. Below the kernel's default socket buffer.
pub const LONGEST_MESSAGE: usize = 160 * 1024;

/// Most descriptors in one message; the kernel's own limit is 253.
pub const MOST_DESCRIPTORS: usize = 64;

/// One end of a connection between two processes.
#[derive(Debug)]
pub struct Socket(OwnedFd);

/// What one `send` of the other side carried.
#[derive(Debug)]
pub struct Message {
    /// The bytes; never empty.
    pub bytes: Vec<u8>,
    /// Descriptors that came along, in the sender's order.
    pub descriptors: Vec<OwnedFd>,
}

impl Socket {
    /// Makes two connected ends.
    pub fn pair() -> Result<(Self, Self), SyscallError> {
        rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map(|(one, other)| (Self(one), Self(other)))
        .map_err(|errno| SyscallError::new("socketpair", "AF_UNIX, SOCK_SEQPACKET", errno))
    }

    /// Sends one message. It must not be empty: that is how the end of the connection looks.
    pub fn send(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<(), SyscallError> {
        let failed = |errno: Errno| {
            let arguments = format!("{} bytes, {} descriptors", bytes.len(), descriptors.len());
            SyscallError::new("sendmsg", arguments, errno)
        };
        if bytes.is_empty() || bytes.len() > LONGEST_MESSAGE {
            return Err(failed(Errno::MSGSIZE));
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(failed(Errno::TOOMANYREFS));
        }
        let content = [IoSlice::new(bytes)];
        rustix::io::retry_on_intr(|| {
            rustix::net::sendmsg(&self.0, &content, &mut control, SendFlags::NOSIGNAL)
        })
        .map(|_| ())
        .map_err(failed)
    }

    /// Waits for the next message; `None` when the other side is gone.
    pub fn receive(&self) -> Result<Option<Message>, SyscallError> {
        let failed = |errno| SyscallError::new("recvmsg", "", errno);
        let mut bytes = vec![0; LONGEST_MESSAGE];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::io::retry_on_intr(|| {
            let mut content = [IoSliceMut::new(&mut bytes)];
            rustix::net::recvmsg(&self.0, &mut content, &mut control, RecvFlags::CMSG_CLOEXEC)
        });
        let received = match received {
            Ok(received) if received.bytes > 0 => received,
            // A peer that died with unread messages resets the connection.
            Ok(_) | Err(Errno::CONNRESET) => return Ok(None),
            Err(errno) => return Err(failed(errno)),
        };
        if received
            .flags
            .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC)
        {
            return Err(failed(Errno::MSGSIZE));
        }
        let mut descriptors = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        bytes.truncate(received.bytes);
        Ok(Some(Message { bytes, descriptors }))
    }
}

impl From<OwnedFd> for Socket {
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek, Write};

    use super::*;

    #[test]
    fn messages_keep_their_bounds_and_descriptors() {
        let (one, other) = Socket::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"inside").unwrap();
        one.send(b"first", &[]).unwrap();
        one.send(b"second", &[file.as_fd(), one.as_fd()]).unwrap();

        let first = other.receive().unwrap().unwrap();
        assert_eq!(
            (first.bytes.as_slice(), first.descriptors.len()),
            (&b"first"[..], 0)
        );
        let mut second = other.receive().unwrap().unwrap();
        assert_eq!(
            (second.bytes.as_slice(), second.descriptors.len()),
            (&b"second"[..], 2)
        );
        let mut received = File::from(second.descriptors.remove(0));
        received.rewind().unwrap();
        let mut content = String::new();
        received.read_to_string(&mut content).unwrap();
        assert_eq!(content, "inside");
    }

    #[test]
    fn the_end_of_the_other_side_is_no_message() {
        let (one, other) = Socket::pair().unwrap();
        drop(one);
        assert!(other.receive().unwrap().is_none());
    }

    #[test]
    fn what_cannot_be_told_apart_is_not_sent() {
        let (one, _other) = Socket::pair().unwrap();
        assert!(one.send(b"", &[]).is_err());
        assert!(one.send(&vec![0; LONGEST_MESSAGE + 1], &[]).is_err());
        one.send(&vec![0; LONGEST_MESSAGE], &[]).unwrap();
    }
}
