//! A ServiceAccount in the world: a few bytes, and its list only while a write needs it.

use crate::list;
use crate::work::Work;

/// A ServiceAccount.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a ServiceAccount costs few bytes: independent flags, one byte each"
)]
pub struct Account {
    /// Its name.
    pub name: Box<str>,
    /// The resourceVersion last seen.
    pub version: u64,
    /// Whether our name is in its list, as last seen.
    pub attached: bool,
    /// What its list looks like, as last seen.
    shape: Shape,
    /// What [`list::mark_of_others`] gives of it, while our name is in it: fits where a byte is free.
    others: u8,
    /// Whether it opted out.
    pub ignored: bool,
    /// Whether it was to be attached or detached when last looked at: what leaves by a label is detached once.
    pub was_ours: bool,
    /// Whether it left the scope by a label, and is to be detached for that.
    pub left: bool,
    /// Whether it waits in a queue.
    pub queued: bool,
    /// Whether it was seen since the last list of ServiceAccounts was started.
    pub(super) shown: bool,
    /// What is under way; freed when the ServiceAccount is at rest.
    pub work: Option<Box<Work>>,
}

impl Account {
    pub(super) fn new(name: Box<str>) -> Self {
        Self {
            name,
            version: 0,
            attached: false,
            shape: Shape::Absent,
            others: 0,
            ignored: false,
            was_ours: false,
            left: false,
            queued: false,
            shown: false,
            work: None,
        }
    }

    /// Takes it as it is now. Says whether our name was taken out of its list since it was last seen.
    pub(super) fn see(&mut self, version: u64, ignored: bool, list: Option<String>) -> bool {
        let attached = list::place_of_ours(list.as_deref()).is_some();
        let was_attached = self.attached || self.work.as_ref().is_some_and(|work| work.shows_attach(version));
        let removed = was_attached && !attached;
        self.version = version;
        self.attached = attached;
        self.shape = Shape::of(list.as_deref());
        self.others =
            if attached && self.shape == Shape::Other { list::mark_of_others(list.as_deref()) } else { 0 };
        self.ignored = ignored;
        self.shown = true;
        if let Some(work) = &mut self.work {
            work.seen(version);
        }
        // The list is kept only while a write is wanted; whoever looks at the account next decides.
        self.keep_list(list);
        removed
    }

    /// Keeps the list as it was just seen, in the work that will need it.
    fn keep_list(&mut self, list: Option<String>) {
        let kept = list.filter(|_| self.shape == Shape::Other).map(String::into_boxed_str);
        if kept.is_some() || self.work.is_some() {
            self.work.get_or_insert_default().list = kept;
        }
    }

    /// Whether a pod may have these names from its list, which names ours as well. One time in 256 it says so of others.
    pub fn may_have_given(&self, names: &[String]) -> bool {
        self.shape == Shape::Other && self.others == list::mark(names.iter().map(String::as_str))
    }

    /// What a patch of the list can be guarded with.
    pub fn guard(&self) -> Guard<'_> {
        match self.work.as_ref().and_then(|work| work.list.as_deref()) {
            Some(list) => Guard::List(list),
            None => match self.shape {
                Shape::Absent => Guard::Absent,
                Shape::OnlyOurs => Guard::List(list::ONLY_OURS),
                Shape::Other => Guard::Unknown,
            },
        }
    }
}

/// The lists that need not be kept to be known exactly, and all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Absent,
    OnlyOurs,
    Other,
}

impl Shape {
    fn of(list: Option<&str>) -> Self {
        match list {
            None => Self::Absent,
            Some(list::ONLY_OURS) => Self::OnlyOurs,
            Some(_) => Self::Other,
        }
    }
}

/// What is known of a list when it is to be patched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard<'a> {
    /// The field is absent.
    Absent,
    /// The list, exactly.
    List(&'a str),
    /// It was not kept: the ServiceAccount has to be read first.
    Unknown,
}
