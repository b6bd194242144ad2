//! The docker-compose trial (`compose/`): what its file says, by `docker compose` itself, and all of it running on a real Docker
//! Engine that has namespaces of its own and ends with the test.
//!
//! Needs root, `tests/compose/tools.sh` to have run (`LAB_DIR`), `boringtun-cli` (or its path in `HOPKEEPER_TEST_BORINGTUN`), what
//! builds the images (`tests/images/build.sh`), and `tcpdump`. Without them the tests say so and pass, except where `CI` is set.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test stops where it goes wrong"))]

#[path = "compose/engine.rs"]
mod engine;
#[path = "compose/file.rs"]
mod file;
#[path = "shared/images.rs"]
mod images;
#[path = "shared/lab_dir.rs"]
mod lab_dir;
#[path = "shared/markdown.rs"]
mod markdown;
#[path = "hop_net/namespaces.rs"]
mod namespaces;
#[path = "shared/needs.rs"]
mod needs;
#[path = "shared/programs.rs"]
mod programs;
#[path = "shared/shown.rs"]
mod shown;
#[path = "compose/trial.rs"]
mod trial;
