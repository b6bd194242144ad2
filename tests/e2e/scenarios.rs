//! The scenarios, one file each. They share the lab's servers, so they run one after the other.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Mutex, MutexGuard};

use crate::app;
use crate::chain::{Chain, berlin};
use crate::lab::lab;
use crate::operator::{Operator, Start};

mod rotation;

static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A chain that is Up, with its application and operator.
pub struct World {
    pub operator: Operator,
    pub start: Start,
    pub chain: Chain,
    _turn: MutexGuard<'static, ()>,
}

impl World {
    /// Brings the README's chain up in a namespace of its own, after `change` was made to it.
    pub async fn up(name: &str, change: impl FnOnce(&mut serde_json::Value)) -> Self {
        let turn = ONE_AT_A_TIME.lock().await;
        lab(&["faults", "clear"]);
        let began = Timestamp::now();
        let chain = Chain::namespace(name).await;
        let start = Start::new(&chain.namespace);
        let operator = start.start().await;
        let mut manifest = berlin();
        change(&mut manifest);
        chain.apply(&manifest).await.expect("the chain should be accepted");
        chain.until_up(Duration::from_secs(90)).await;
        println!("{name}: chain Up after {:.1} s", (Timestamp::now() - began).total(jiff::Unit::Second).unwrap_or_default());
        app::start(&chain).await;
        let page = app::until_page(&chain, began, Duration::from_secs(30)).await;
        println!("{name}: first page after {:.1} s", seconds(began, page));
        Self { operator, start, chain, _turn: turn }
    }

    /// Kills the operator and starts another one.
    pub async fn restart_operator(&mut self) {
        let fresh = self.start.clone().start().await;
        std::mem::replace(&mut self.operator, fresh).kill();
    }
}

/// From one time to another, in seconds.
pub fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}
