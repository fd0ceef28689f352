// Found only where libtorch is not: .cargo/config.toml puts this folder last on the search path.
// The compiler stops here, and what the user reads is the name of the file that it lacks.
#include "libtorch 2.11.0 is not here. Run `make libtorch` once, or set LIBTORCH to yours"
