//! What an audit finds, and that it finds nothing where nothing is.

#[cfg(test)]
mod alarms;
#[cfg(test)]
mod copies;
#[cfg(test)]
mod evidence;
#[cfg(test)]
mod export;
#[cfg(test)]
mod found;
#[cfg(test)]
mod whole;
