//! Replays of real failures and of variants of them: the hop at fault, the verdict, and what is held as a symptom.

mod command;
mod elasticsearch;
mod ends_of_time;
mod expected;
mod health;
mod invented;
mod kafka;
#[path = "../shared/lab_dir.rs"]
mod lab_dir;
#[path = "../shared/lab_lock.rs"]
mod lab_lock;
#[path = "../shared/needs.rs"]
mod needs;
mod recombined;
#[path = "../shared/rules_test.rs"]
mod rules_test;
mod scenarios;
#[path = "../shared/elasticsearch.rs"]
mod server;
mod support;
mod variants;
mod wrapped;
