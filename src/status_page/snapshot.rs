//! What there is to show, as it changes: objects, and who serves them. Made into a view at most once, and only if somebody
//! looks.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::{OnceCell, watch};

use super::html::{self, Page};
use crate::crd::{HopIncident, VpnChain};
use crate::overview::{Overview, overview};

/// The replica that answers, and what it knows of the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operator {
    /// The replica that answers.
    pub identity: String,
    /// The replica that repairs chains, where that is known.
    pub leader: Option<String>,
    /// Why what it shows may be old: what the Kubernetes API was last found to fail with.
    pub trouble: Option<String>,
}

impl Operator {
    /// Whether the replica that answers is the one that repairs.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.leader.as_ref() == Some(&self.identity)
    }
}

/// All objects at one time.
struct Objects {
    chains: Vec<Arc<VpnChain>>,
    incidents: Vec<Arc<HopIncident>>,
}

/// What there is at one time.
#[derive(Default)]
pub(super) struct Snapshot {
    /// None until everything was listed once.
    objects: Option<Arc<Objects>>,
    pub(super) operator: Operator,
    view: OnceCell<Arc<View>>,
}

/// What is seen of it.
pub(super) struct View {
    pub(super) overview: Overview,
    operator: Operator,
    index: Arc<Page>,
}

/// Which page.
#[derive(Clone, Debug)]
pub(super) enum Which {
    /// All chains.
    Index,
    /// One of them.
    Chain { namespace: String, name: String },
}

impl Snapshot {
    /// The view; none until everything was listed once.
    pub(super) async fn view(&self) -> Option<Arc<View>> {
        let objects = Arc::clone(self.objects.as_ref()?);
        let operator = self.operator.clone();
        // Not on a thread that others wait for: an installation may have many chains.
        let make = || tokio::task::spawn_blocking(move || Arc::new(View::new(&objects, operator)));
        let view =
            self.view.get_or_init(|| async { make().await.expect("should not panic: it only reads and writes") });
        Some(Arc::clone(view.await))
    }

    /// A page as it is now.
    pub(super) async fn page(&self, which: &Which) -> Arc<Page> {
        match self.view().await {
            Some(view) => view.page(which),
            None => Arc::new(html::not_yet(&self.operator)),
        }
    }
}

impl View {
    fn new(objects: &Objects, operator: Operator) -> Self {
        let overview = overview(objects.chains.iter().map(|c| &**c), objects.incidents.iter().map(|i| &**i));
        let index = Arc::new(html::index(&overview, &operator));
        Self { overview, operator, index }
    }

    fn page(&self, which: &Which) -> Arc<Page> {
        match which {
            Which::Index => Arc::clone(&self.index),
            Which::Chain { namespace, name } => {
                let chain = self.overview.chain(namespace, name);
                Arc::new(html::chain(namespace, name, chain, &self.operator))
            }
        }
    }
}

/// Where what is to be shown is put.
pub struct Publisher(watch::Sender<Arc<Snapshot>>);

/// What is shown.
#[derive(Clone)]
pub struct Shown(watch::Receiver<Arc<Snapshot>>);

/// A way from the one who knows to those who look; `identity` is the replica's own.
#[must_use]
pub fn channel(identity: &str) -> (Publisher, Shown) {
    let operator = Operator { identity: identity.to_owned(), ..Operator::default() };
    let (sender, receiver) = watch::channel(Arc::new(Snapshot { operator, ..Snapshot::default() }));
    (Publisher(sender), Shown(receiver))
}

impl Publisher {
    /// Shows these objects from now on.
    pub fn objects(&self, chains: Vec<Arc<VpnChain>>, incidents: Vec<Arc<HopIncident>>) {
        let objects = Some(Arc::new(Objects { chains, incidents }));
        self.0.send_modify(|shown| {
            *shown = Arc::new(Snapshot { objects, operator: shown.operator.clone(), ..Snapshot::default() });
        });
    }

    /// Changes what is told of the operator.
    pub fn operator(&self, change: impl FnOnce(&mut Operator)) {
        self.0.send_if_modified(|shown| {
            let mut operator = shown.operator.clone();
            change(&mut operator);
            let news = operator != shown.operator;
            if news {
                *shown = Arc::new(Snapshot { objects: shown.objects.clone(), operator, ..Snapshot::default() });
            }
            news
        });
    }
}

impl Shown {
    /// What there is now.
    pub(super) fn now(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.borrow())
    }

    /// What there is now; `changed` waits for what comes after it.
    pub(super) fn take(&mut self) -> Arc<Snapshot> {
        Arc::clone(&self.0.borrow_and_update())
    }

    /// Waits for something else; whether there can be.
    pub(super) async fn changed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }
}
