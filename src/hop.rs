//! stub until merge
pub mod scripts { pub const HEALTH: &str = ""; pub const READY: &str = ""; }
