//! Facts: everything that is asked of the cloud, once per set of inputs, whoever needs it.

pub mod book;
pub mod chain;
pub mod key;
pub mod timing;
pub mod value;

pub use book::Book;
pub use chain::{Line, LineKey, Lines};
pub use key::{FactKey, KeySource, Question};
