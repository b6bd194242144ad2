//! The images that the Containerfiles make (`tests/images/build.sh`, by podman): nothing is in them but the programs that nix names for
//! the same image, what those are linked with, and whose packages they are of; and each program runs where nothing else is.
//!
//! Needs root, `podman`, `mmdebstrap`, `nix-instantiate`, binutils, and `boringtun-cli` (or its path in `HOPKEEPER_TEST_BORINGTUN`); the first
//! time Debian's archive. Without them the tests say so and pass, except where `CI` is set.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test stops where it goes wrong"))]

#[path = "images/contents.rs"]
mod contents;
#[path = "shared/images.rs"]
mod images;
#[path = "shared/needs.rs"]
mod needs;
#[path = "shared/programs.rs"]
mod programs;
#[path = "images/store.rs"]
mod store;
