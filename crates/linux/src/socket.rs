//! Sequenced-packet sockets that carry descriptors.
