//! A whole TRE before a whole hub: the real relay, the real runner with cwltool, and people by `daybook review`.

mod away;
mod collected;
mod database;
mod ends;
mod fence;
mod fenced;
mod image;
mod outputs;
mod place;
mod process;
mod staged;
mod study;
mod two;
mod walk;
mod watch;
