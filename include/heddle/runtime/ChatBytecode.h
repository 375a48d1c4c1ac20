//===- ChatBytecode.h - The code of a chat template ------------*- C++ -*-===//
//
// What lib/ChatTemplate writes and runtime/app/ChatMachine.cpp runs: a stack
// machine over values, docs/chat-templates.md. An instruction is three numbers:
// the operation, a, b. No LLVM, nothing of the runtime.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_RUNTIME_CHATBYTECODE_H
#define HEDDLE_RUNTIME_CHATBYTECODE_H

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace heddle::chat {

/// Raised with every change of the operations or of the functions below.
constexpr int32_t kBytecodeVersion = 1;

// Stack effects are (before -- after), the top at the right. "Constant a" is
// the a-th of the constants; "to a" is an instruction's index.
#define HEDDLE_CHAT_OPS(X)                                                     \
  X(Line)           /* ( -- ) what follows is of line a */                     \
  X(Text)           /* ( -- ) writes constant a */                             \
  X(Write)          /* (v -- ) writes it */                                    \
  X(Constant)       /* ( -- v) constant a */                                   \
  X(Undefined)      /* ( -- v) */                                              \
  X(Absent)         /* ( -- v) an argument that is not given */                \
  X(Load)           /* ( -- v) the variable named constant a */                \
  X(Store)          /* (v -- ) into the innermost scope */                     \
  X(StoreAttribute) /* (v namespace -- ) under the name constant a */          \
  X(Attribute)      /* (v -- w) v.name, constant a */                          \
  X(Item)           /* (v i -- w) v[i] */                                      \
  X(Slice)          /* (v start stop step -- w) */                             \
  X(Unpack)         /* (v -- w…) its a elements, the first on top */           \
  X(List)           /* (v… -- w) of a elements */                              \
  X(Tuple)          /* (v… -- w) of a elements */                              \
  X(Dict)           /* (k v… -- w) of a pairs */                               \
  X(Not)            /* (v -- w) */                                             \
  X(Negate)         /* (v -- w) */                                             \
  X(Plus)           /* (v -- w) */                                             \
  X(Add)            /* (v w -- x), as the others up to NotIn */                \
  X(Subtract)                                                                  \
  X(Multiply)                                                                  \
  X(Divide)                                                                    \
  X(FloorDivide)                                                               \
  X(Remainder)                                                                 \
  X(Power)                                                                     \
  X(Equal)                                                                     \
  X(Unequal)                                                                   \
  X(Less)                                                                      \
  X(LessEqual)                                                                 \
  X(Greater)                                                                   \
  X(GreaterEqual)                                                              \
  X(In)                                                                        \
  X(NotIn)                                                                     \
  X(Concatenate)      /* (v… -- w) the text of a values */                     \
  X(Jump)             /* ( -- ) to a */                                        \
  X(JumpIfFalse)      /* (v -- ) */                                            \
  X(JumpIfFalseOrPop) /* (v -- v | ) jumps with it, or drops it */             \
  X(JumpIfTrueOrPop)  /* (v -- v | ) */                                        \
  X(Pop)              /* (v -- ) */                                            \
  X(Swap)             /* (v w -- w v) */                                       \
  X(Under)            /* (v w -- w v w) */                                     \
  X(Filter)           /* (v args… -- w) function a of b arguments */           \
  X(Test)             /* (v args… -- w) function a of b arguments */           \
  X(Method)           /* (v args… -- w) method a of b arguments */             \
  X(Call)             /* (f args… name v… -- w) a plain, b named */            \
  X(MakeMacro)        /* (name… -- f) that begins at a, of b parameters */     \
  X(Default)          /* ( -- ) to b if parameter a, a name, is given */       \
  X(Return)           /* ( -- v) of a macro: what it wrote */                  \
  X(BeginCapture)     /* ( -- ) what is written goes into a text of its own */ \
  X(EndCapture)       /* ( -- v) that text */                                  \
  X(PushScope)                                                                 \
  X(PopScope)                                                                  \
  X(BeginLoop)   /* (v -- ) over its elements */                               \
  X(NextItem)    /* ( -- v | w) opens a scope, its `loop` if b; past the last  \
                    to a, with w: whether no body came to its end */           \
  X(EndItem)     /* ( -- ) closes the scope; if b, the body's end; to a */     \
  X(KeepItem)    /* (v -- ) closes the scope; keeps the element if v; to a */  \
  X(EndFiltered) /* (v -- w) drops v, gives the list of those kept */          \
  X(Break)       /* ( -- w) ends the loop within an element; w as above; to a  \
                  */                                                           \
  X(End)

enum class Op : int32_t {
#define X(name) name,
  HEDDLE_CHAT_OPS(X)
#undef X
};

// Functions by kind: name in a template, name here, arguments needed, names of
// the arguments (those of Jinja 3.1 and, of tojson and strftime_now, of
// transformers).
#define HEDDLE_CHAT_FILTERS(X)                                                 \
  X("abs", Abs, 0, "")                                                         \
  X("capitalize", Capitalize, 0, "")                                           \
  X("count", Length, 0, "")                                                    \
  X("d", DefaultValue, 0, "default_value,boolean")                             \
  X("default", DefaultValue, 0, "default_value,boolean")                       \
  X("dictsort", DictSort, 0, "case_sensitive,by,reverse")                      \
  X("first", First, 0, "")                                                     \
  X("float", Float, 0, "default")                                              \
  X("int", Int, 0, "default,base")                                             \
  X("items", Items, 0, "")                                                     \
  X("join", Join, 0, "d,attribute")                                            \
  X("last", Last, 0, "")                                                       \
  X("length", Length, 0, "")                                                   \
  X("list", ToList, 0, "")                                                     \
  X("lower", Lower, 0, "")                                                     \
  X("map", Map, 0, "filter,attribute,default")                                 \
  X("max", Max, 0, "")                                                         \
  X("min", Min, 0, "")                                                         \
  X("reject", Reject, 0, "test,argument")                                      \
  X("rejectattr", RejectAttr, 1, "attribute,test,argument")                    \
  X("replace", Replace, 2, "old,new,count")                                    \
  X("reverse", Reverse, 0, "")                                                 \
  X("safe", Safe, 0, "")                                                       \
  X("select", Select, 0, "test,argument")                                      \
  X("selectattr", SelectAttr, 1, "attribute,test,argument")                    \
  X("sort", Sort, 0, "reverse,case_sensitive,attribute")                       \
  X("string", ToString, 0, "")                                                 \
  X("sum", Sum, 0, "attribute,start")                                          \
  X("title", Title, 0, "")                                                     \
  X("tojson", ToJson, 0, "ensure_ascii,indent,separators,sort_keys")           \
  X("trim", Trim, 0, "chars")                                                  \
  X("unique", Unique, 0, "case_sensitive,attribute")                           \
  X("upper", Upper, 0, "")

#define HEDDLE_CHAT_TESTS(X)                                                   \
  X("!=", IsUnequal, 1, "other")                                               \
  X("<", IsLess, 1, "other")                                                   \
  X("<=", IsLessEqual, 1, "other")                                             \
  X("==", IsEqual, 1, "other")                                                 \
  X(">", IsGreater, 1, "other")                                                \
  X(">=", IsGreaterEqual, 1, "other")                                          \
  X("boolean", IsBoolean, 0, "")                                               \
  X("callable", IsCallable, 0, "")                                             \
  X("defined", IsDefined, 0, "")                                               \
  X("divisibleby", IsDivisibleBy, 1, "num")                                    \
  X("eq", IsEqual, 1, "other")                                                 \
  X("equalto", IsEqual, 1, "other")                                            \
  X("even", IsEven, 0, "")                                                     \
  X("false", IsFalse, 0, "")                                                   \
  X("float", IsFloat, 0, "")                                                   \
  X("ge", IsGreaterEqual, 1, "other")                                          \
  X("greaterthan", IsGreater, 1, "other")                                      \
  X("gt", IsGreater, 1, "other")                                               \
  X("in", IsIn, 1, "seq")                                                      \
  X("integer", IsInteger, 0, "")                                               \
  X("iterable", IsIterable, 0, "")                                             \
  X("le", IsLessEqual, 1, "other")                                             \
  X("lessthan", IsLess, 1, "other")                                            \
  X("lt", IsLess, 1, "other")                                                  \
  X("mapping", IsMapping, 0, "")                                               \
  X("ne", IsUnequal, 1, "other")                                               \
  X("none", IsNone, 0, "")                                                     \
  X("number", IsNumber, 0, "")                                                 \
  X("odd", IsOdd, 0, "")                                                       \
  X("sameas", IsSame, 1, "other")                                              \
  X("sequence", IsSequence, 0, "")                                             \
  X("string", IsString, 0, "")                                                 \
  X("true", IsTrue, 0, "")                                                     \
  X("undefined", IsUndefined, 0, "")

#define HEDDLE_CHAT_METHODS(X)                                                 \
  X("capitalize", Capitalize, 0, "")                                           \
  X("changed", Changed, 0, "")                                                 \
  X("copy", Copy, 0, "")                                                       \
  X("count", Count, 1, "")                                                     \
  X("cycle", Cycle, 1, "")                                                     \
  X("endswith", EndsWith, 1, "")                                               \
  X("find", Find, 1, "")                                                       \
  X("get", Get, 1, "")                                                         \
  X("index", Index, 1, "")                                                     \
  X("isdigit", IsDigit, 0, "")                                                 \
  X("items", Items, 0, "")                                                     \
  X("join", Join, 1, "")                                                       \
  X("keys", Keys, 0, "")                                                       \
  X("lower", Lower, 0, "")                                                     \
  X("lstrip", LStrip, 0, "")                                                   \
  X("removeprefix", RemovePrefix, 1, "")                                       \
  X("removesuffix", RemoveSuffix, 1, "")                                       \
  X("replace", Replace, 2, "old,new,count")                                    \
  X("rfind", RFind, 1, "")                                                     \
  X("rsplit", RSplit, 0, "sep,maxsplit")                                       \
  X("rstrip", RStrip, 0, "")                                                   \
  X("split", Split, 0, "sep,maxsplit")                                         \
  X("startswith", StartsWith, 1, "")                                           \
  X("strip", Strip, 0, "")                                                     \
  X("title", Title, 0, "")                                                     \
  X("upper", Upper, 0, "")                                                     \
  X("values", Values, 0, "")

#define HEDDLE_CHAT_GLOBALS(X)                                                 \
  X("dict", Dict, 0, "")                                                       \
  X("namespace", Namespace, 0, "")                                             \
  X("raise_exception", Raise, 1, "message")                                    \
  X("range", Range, 1, "")                                                     \
  X("strftime_now", TimeNow, 1, "format")

/// One name of a table. `id` is the position, and the number in the code.
struct Function {
  std::string_view name;
  int needed;
  std::string_view arguments; // joined by commas
};

#define X(name, id, needed, arguments) {name, needed, arguments},
constexpr Function kFilters[] = {HEDDLE_CHAT_FILTERS(X)};
constexpr Function kTests[] = {HEDDLE_CHAT_TESTS(X)};
constexpr Function kMethods[] = {HEDDLE_CHAT_METHODS(X)};
constexpr Function kGlobals[] = {HEDDLE_CHAT_GLOBALS(X)};
#undef X

/// The position of `name` in a table, or -1.
template <size_t N>
constexpr int32_t findFunction(const Function (&table)[N],
                               std::string_view name) {
  for (size_t i = 0; i < N; ++i)
    if (table[i].name == name)
      return static_cast<int32_t>(i);
  return -1;
}

} // namespace heddle::chat

#endif // HEDDLE_RUNTIME_CHATBYTECODE_H
