//! Durability: `syncfs(2)` and friends.
