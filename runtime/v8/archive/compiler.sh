#!/bin/sh
# Stands where V8's build expects its own clang, and calls Debian's. Linked into the work folder as clang and clang++;
# ninja runs it in the build folder. Two jobs:
#   - drop the flags that are newer than Debian's clang, and its warnings about code that is not ours;
#   - put the precompiled header of a file's group in front of it, where precompile.py made one. A file that does not
#     compile on top of it is compiled again without, and named in precompiled/refused.
version=${ISOBASE_CLANG_VERSION:-19}
real=/usr/lib/llvm-$version/bin/${0##*/}

group=
left=$#
while [ "$left" -gt 0 ]; do
    argument=$1
    shift
    left=$((left - 1))
    case $argument in
        -fdiagnostics-show-inlining-chain | -fno-lifetime-dse | -fsanitize-ignore-for-ubsan-feature=*) continue ;;
        # These define templates that the common headers declare and use: on top of a precompiled header clang 19
        # forgets to instantiate them, which shows as undefined symbols when mksnapshot is linked.
        obj/v8/v8_initializers/builtins-collections-gen.o | obj/v8/v8_compiler/turbofan-types.o) ;;
        obj/v8/torque_generated_initializers/*.o | obj/v8/v8_initializers/*.o) group=initializers ;;
        obj/v8/v8_compiler/*.o) group=compiler ;;
        obj/v8/v8_base_without_compiler/*.o) group=base ;;
    esac
    set -- "$@" "$argument"
done

header=precompiled/$group.pch
if [ -n "$group" ] && [ -e "$header" ]; then
    "$real" -w -include-pch "$header" "$@" 2>"precompiled/$$.log" && { rm -f "precompiled/$$.log"; exit 0; }
    { printf '%s: ' "$group"; head -n 1 "precompiled/$$.log"; } >>precompiled/refused
    rm -f "precompiled/$$.log"
fi
exec "$real" -w "$@"
