//! A whole TRE before a whole hub: the real relay, the real runner with cwltool, and people by `daybook review`.

mod away;
mod ends;
mod fence;
mod fenced;
mod outputs;
mod place;
mod process;
mod study;
mod walk;
mod watch;
