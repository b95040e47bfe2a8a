//! The pool against scripted engines: every rule of admission, limits and replacement.

mod admission;
mod boots;
mod clocks;
mod lifecycle;
mod pressure;
mod script;
mod upgrades;
