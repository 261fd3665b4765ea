//! The stories live beside this file, one example each; this library is empty on purpose.
