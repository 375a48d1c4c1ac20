//===- LinearTile.cpp - Rows of a weight times some tokens ----------------===//
#include "LinearTile.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::codegen;
using Values = KernelBuilder::Values;

Value LinearTile::bytes(const Group &g, Value at, int64_t count, Type elem) {
  Value raw = b.loadVec(weight, {g.panel, g.block, at},
                        count * elem.getIntOrFloatBitWidth() / 8);
  return elem.isInteger(8)
             ? raw
             : vector::BitCastOp::create(b, b.vec(count, elem), raw)
                   .getResult();
}

Value LinearTile::rowsAt(const Group &g, int64_t c, int64_t size) {
  return b.mul(b.add(g.row, b.index(c * lanes())), b.index(size));
}

Values LinearTile::halves(const Group &g, Value at) {
  Values values;
  for (int64_t c = 0; c < g.chunks; ++c) {
    Value half = bytes(g, b.add(at, rowsAt(g, c, 2)), lanes(),
                       packed.getEnc().getScaleType());
    values.push_back(
        arith::ExtFOp::create(b, b.vec(lanes(), b.getF32Type()), half));
  }
  return values;
}

int64_t LinearTile::scaleBytes() const {
  EncAttr enc = packed.getEnc();
  return ((enc.getScale() ? 1 : 0) + (enc.getMin() ? 1 : 0)) *
         packed.getRows() * (enc.getSuper() ? 1 : 2);
}

LinearTile::Scales LinearTile::scales(const Group &g) {
  EncAttr enc = packed.getEnc();
  Scales found;
  Value at = g.start;
  for (bool isMin : {false, true}) {
    Values &values = isMin ? found.min : found.scale;
    values.assign(g.chunks, Value());
    if (isMin ? !enc.getMin() : !enc.getScale())
      continue;
    if (!enc.getSuper()) {
      values = halves(g, at);
      at = b.add(at, b.index(packed.getRows() * 2));
      continue;
    }
    for (int64_t c = 0; c < g.chunks; ++c)
      values[c] = b.groupScale(
          enc, bytes(g, b.add(at, rowsAt(g, c, 1)), lanes(), b.getI8Type()),
          isMin ? g.e[c] : g.d[c], isMin);
    at = b.add(at, b.index(packed.getRows()));
  }
  return found;
}

//===----------------------------------------------------------------------===//
// f32: codes become numbers in registers, then one fma per element of k
//===----------------------------------------------------------------------===//

Values LinearTile::floatGroup(const Group &g, Value t0, int64_t tokens,
                              Values acc) {
  EncAttr enc = packed.getEnc();
  int64_t size = packed.getGroup(), half = size / 2;
  bool nibbles = enc.isNibbles();
  Type elem = enc.getStorageType();
  int64_t width = elem.getIntOrFloatBitWidth() / 8,
          steps = nibbles ? half : size;
  Value k0 = b.mul(g.index, b.index(size));
  VectorType i32s = b.vec(lanes(), b.getI32Type());
  Scales of = scales(g);
  // acc[t][c] += w[c] * x[t0 + t, k].
  auto accumulate = [&](Values &acc, Value w, int64_t c, Value kIndex) {
    for (int64_t t = 0; t < tokens; ++t) {
      Value xs =
          b.broadcast(b.load(x, {b.add(t0, b.index(t)), kIndex}), b.f32s());
      acc[t * g.chunks + c] = b.fma(w, xs, acc[t * g.chunks + c]);
    }
  };
  // The codes that share bytes of high bits, one otherwise.
  int64_t highBits = enc.getHighBits(),
          unit = highBits ? packed.getPlaneSteps() : 1;
  auto step = [&](Value i, Values acc) {
    for (int64_t u = 0; u < unit; ++u) {
      Value j = unit == 1 ? i : b.add(b.mul(i, b.index(unit)), b.index(u));
      Value at = b.add(g.codes, b.mul(j, b.index(packed.getRows() * width)));
      for (int64_t c = 0; c < g.chunks; ++c) {
        Value codes = bytes(g, b.add(at, rowsAt(g, c, width)), lanes(), elem);
        if (!nibbles) {
          accumulate(acc, b.decode(enc, codes, of.scale[c], of.min[c]), c,
                     b.add(k0, j));
          continue;
        }
        Value wide = arith::ExtUIOp::create(b, i32s, codes);
        // Unit i of the low codes, and of the high half a group on.
        auto whole = [&](Value low, int64_t firstUnit) {
          if (!highBits)
            return low;
          Value plane =
              b.mul(b.add(i, b.index(firstUnit)), b.index(packed.getRows()));
          Value at =
              b.add(g.codes, b.add(plane, b.add(b.index(packed.getPlaneStart()),
                                                rowsAt(g, c, 1))));
          Value high = arith::ExtUIOp::create(
              b, i32s, bytes(g, at, lanes(), b.getI8Type()));
          return b.withHighBits(low, high, highBits, u);
        };
        Value low = whole(arith::AndIOp::create(b, wide, b.splat(i32s, 15)), 0);
        Value high = whole(arith::ShRUIOp::create(b, wide, b.splat(i32s, 4)),
                           half / unit);
        accumulate(acc, b.decode(enc, low, of.scale[c], of.min[c]), c,
                   b.add(k0, j));
        accumulate(acc, b.decode(enc, high, of.scale[c], of.min[c]), c,
                   b.add(k0, b.add(j, b.index(half))));
      }
    }
    return acc;
  };
  if (steps == unit)
    return step(b.index(0), acc);
  return b.loop(b.index(0), b.index(steps / unit), 1, acc, step);
}

//===----------------------------------------------------------------------===//
// Integer codes: an exact dot product per group, then one fma with its scales
//===----------------------------------------------------------------------===//

Value LinearTile::stepOfCodes(const Group &g, int64_t c, Value step, bool high,
                              int64_t number) {
  EncAttr enc = packed.getEnc();
  int64_t size = packed.getStep(), count = lanes() * size;
  VectorType i8s = b.vec(count, b.getI8Type());
  auto load = [&](int64_t start, Value i) {
    Value at =
        b.add(b.index(start), b.mul(i, b.index(packed.getRows() * size)));
    return bytes(g, b.add(b.add(g.codes, at), rowsAt(g, c, size)), count,
                 b.getI8Type());
  };
  Value raw = load(0, step);
  if (!enc.isNibbles())
    return raw;
  Value low = high
                  ? arith::ShRUIOp::create(b, raw, b.splat(i8s, 4)).getResult()
                  : arith::AndIOp::create(b, raw, b.splat(i8s, 15)).getResult();
  int64_t highBits = enc.getHighBits(), steps = packed.getPlaneSteps();
  return highBits
             ? b.withHighBits(
                   low, load(packed.getPlaneStart(), b.index(number / steps)),
                   highBits, number % steps)
             : low;
}

Values LinearTile::integerGroup(const Group &g, Value t0, int64_t tokens,
                                Values acc) {
  EncAttr enc = packed.getEnc();
  int64_t size = enc.getGroup(), step = dot->step, n = lanes(),
          highBits = enc.getHighBits();
  bool nibbles = enc.isNibbles(), isSigned = enc.isSigned();
  int64_t loads = (nibbles ? size / 2 : size) / step, offset = enc.getOffset();
  int64_t depth = dot->depth(enc.getLargestCode());
  auto add = isSigned && dot->addSigned ? dot->addSigned : dot->add;
  bool shifted = isSigned && !dot->addSigned;
  if (shifted)
    offset -= 128;
  // Where this group's codes, scale and sum are in x: a group of x may hold two
  // of it.
  int64_t share = rows.getGroup() / size;
  Value xg = share == 1 ? g.index : b.div(g.index, b.index(share)),
        part = share == 1 ? b.index(0) : b.rem(g.index, b.index(share));
  auto read = [&](int64_t t, Value at, int64_t count, Type elem) -> Value {
    Value raw = b.loadVec(x, {b.add(t0, b.index(t)), xg, at},
                          count * elem.getIntOrFloatBitWidth() / 8);
    return vector::BitCastOp::create(b, b.vec(count, elem), raw);
  };
  auto first = [&](Value vector) -> Value {
    return vector::ExtractOp::create(b, vector, 0);
  };

  VectorType i8s = b.vec(n * step, b.getI8Type()),
             i32s = b.vec(n, b.getI32Type()), f32s = b.vec(n, b.getF32Type());
  Type word = b.getIntegerType(8 * step);
  Type partialType =
      b.vec(n * 32 / dot->partialBits, b.getIntegerType(dot->partialBits));
  Value codesAt = b.add(b.index(RowsAttr::CodesAt), b.mul(part, b.index(size)));

  // Of a token: a number, the sum of its codes, and what an offset adds.
  auto number = [&](int64_t t, Value at, Type type) {
    return first(read(t, at, 1, type));
  };
  auto sumOf = [&](int64_t t) -> Value {
    if (share == 1)
      return number(t, b.index(RowsAttr::SumAt), b.getI32Type());
    Value half =
        number(t, b.add(b.index(RowsAttr::HalfSumsAt), b.mul(part, b.index(2))),
               b.getI16Type());
    return arith::ExtSIOp::create(b, b.getI32Type(), half);
  };
  // One partial lasts for the group, or is widened into the sums every few
  // steps. As wide as a sum, it begins as one.
  int64_t perByte = nibbles ? 2 : 1, sumCount = tokens * g.chunks;
  bool lasts = depth >= loads * perByte, same = lasts && !dot->widen;
  auto startOf = [&](int64_t t) -> Value {
    if (!offset)
      return b.splat(i32s, 0);
    // Multiplied as one number where the vector units have enough to do.
    return same ? b.broadcast(b.mul(sumOf(t), b.i32(offset)), i32s)
                : b.mul(b.broadcast(sumOf(t), i32s), b.splat(i32s, offset));
  };

  // Weights of every chunk meet each token of the tile before the next step
  // along k: what is loaded of either is used for all of the other. Integer
  // sums are exact, so their order is free, and the codes of one byte follow
  // one another.
  auto weights = [&](Value i, bool high, int64_t c, int64_t j) -> Value {
    Value codes = stepOfCodes(g, c, i, high, j);
    if (DenseI8ArrayAttr table = enc.getTable()) {
      SmallVector<int8_t> lanes;
      for (int64_t lane = 0; lane < n * step; ++lane)
        lanes.push_back(table[lane % 16]);
      Value numbers = arith::ConstantOp::create(
          b, DenseElementsAttr::get(i8s, ArrayRef<int8_t>(lanes)));
      codes = dot->lookup(b, numbers, codes);
    }
    return shifted
               ? arith::XOrIOp::create(b, codes, b.splat(i8s, -128)).getResult()
               : codes;
  };
  Value noPartial = b.splat(partialType, 0);
  auto widen = [&](Values &sums, ValueRange partials) {
    for (auto [sum, partial] : llvm::zip(sums, partials))
      sum = b.add(sum, dot->widen ? dot->widen(b, partial) : partial);
  };
  auto steps = [&](Value from, int64_t count, int64_t j, Values carried) {
    Values partials = lasts ? carried : Values(sumCount, noPartial);
    int64_t done = 0;
    for (int64_t u = 0; u < count * perByte; ++u) {
      bool high = u % perByte;
      Value i = b.add(from, b.index(u / perByte)),
            xStep = high ? b.add(i, b.index(loads)) : i;
      Values w;
      for (int64_t c = 0; c < g.chunks; ++c)
        w.push_back(weights(i, high, c, j + u / perByte + high * loads));
      for (int64_t t = 0; t < tokens; ++t) {
        Value four = first(
            read(t, b.add(codesAt, b.mul(xStep, b.index(step))), 1, word));
        Value spread = vector::BitCastOp::create(
            b, i8s, b.broadcast(four, b.vec(n, word)));
        for (int64_t c = 0; c < g.chunks; ++c)
          partials[t * g.chunks + c] =
              add(b, partials[t * g.chunks + c], w[c], spread);
      }
      if (lasts || (++done < depth && u + 1 < count * perByte))
        continue;
      widen(carried, partials);
      partials.assign(sumCount, noPartial);
      done = 0;
    }
    return lasts ? partials : carried;
  };
  Values sums;
  for (int64_t t = 0; t < tokens; ++t)
    sums.append(g.chunks, startOf(t));
  Values carried = lasts && !same ? Values(sumCount, noPartial) : sums;
  // A loop keeps the back end from reordering a tile by sums, which would spill
  // what the sums share. Bits of a plane need to know their step.
  if (tokens == 1 || highBits) {
    carried = steps(b.index(0), loads, 0, carried);
  } else {
    int64_t unit = lasts ? 1 : std::clamp<int64_t>(depth / perByte, 1, loads);
    while (loads % unit)
      --unit;
    carried = b.loop(
        b.index(0), b.index(loads), unit, carried,
        [&](Value i, Values carried) { return steps(i, unit, 0, carried); });
  }
  if (lasts && !same)
    widen(sums, carried);
  else
    sums = carried;
  Scales of = scales(g);
  for (int64_t t = 0; t < tokens; ++t) {
    Value one = number(t, b.index(RowsAttr::ScaleAt), b.getF32Type()),
          xScale = b.broadcast(one, f32s), weighed;
    if (enc.getMin() && share == 1) // of half a group, the product is made here
      weighed = number(t, b.index(RowsAttr::WeighedAt), b.getF32Type());
    else if (enc.getMin())
      weighed = b.mul(
          one,
          arith::SIToFPOp::create(b, b.getF32Type(), sumOf(t)).getResult());
    if (weighed)
      weighed = b.broadcast(weighed, f32s);
    for (int64_t c = 0; c < g.chunks; ++c) {
      Value &a = acc[t * g.chunks + c],
            f = arith::SIToFPOp::create(b, f32s, sums[t * g.chunks + c]);
      a = b.fma(f, of.scale[c] ? b.mul(of.scale[c], xScale) : xScale, a);
      if (weighed)
        a = b.fma(of.min[c], weighed, a);
    }
  }
  return acc;
}

void LinearTile::fetchAhead(Value panel, Value block) {
  // Blocks follow one another in memory, so those of the next panel are ahead
  // too.
  auto type = cast<MemRefType>(weight.getType());
  int64_t total = type.getDimSize(0) * type.getDimSize(1),
          bytes = type.getDimSize(2), ahead = (prefetch + bytes - 1) / bytes;
  Value flat = memref::CollapseShapeOp::create(
      b, weight, SmallVector<ReassociationIndices>{{0, 1}, {2}});
  Value row = b.add(b.add(b.mul(panel, b.index(type.getDimSize(1))), block),
                    b.index(ahead));
  row = arith::MinUIOp::create(b, row, b.index(total - 1));
  for (int64_t at = 0; at < bytes; at += 64)
    memref::PrefetchOp::create(b, flat, ValueRange{row, b.index(at)},
                               /*isWrite=*/false, /*localityHint=*/3,
                               /*isDataCache=*/true);
}

/// Tiles up to this have code for every remainder, larger ones from their half
/// down: more would be too much code. Pairs of bf16, whose blocks are of few
/// instructions, have it for every tile, and codes with bits in a plane, whose
/// steps are unrolled, only for halves of halves.
static constexpr int64_t kMostTail = 8;

Values LinearTile::emit(Value panel, Value row, int64_t chunks, Value t0,
                        int64_t tokens, bool ahead) {
  EncAttr enc = packed.getEnc();
  Values zero(tokens * chunks, b.splat(b.vec(lanes(), b.getF32Type()), 0));
  return b.loop(
      b.index(0), b.index(packed.getBlocks(k)), 1, zero,
      [&](Value block, Values acc) {
        if (ahead)
          fetchAhead(panel, block);
        Group g{panel, block, row, chunks, block, {}, {}, {}, {}};
        auto group = [&](Value at, Values acc) {
          g.start = at;
          g.codes = b.add(at, b.index(scaleBytes()));
          return dot    ? integerGroup(g, t0, tokens, acc)
                 : rows ? pairGroup(g, t0, tokens, acc)
                        : floatGroup(g, t0, tokens, acc);
        };
        if (!enc.getSuper())
          return group(b.index(0), acc);
        g.d = halves(g, b.index(0));
        if (enc.getMin())
          g.e = halves(g, b.index(packed.getRows() * 2));
        return b.loop(
            b.index(0), b.index(packed.getBlockGroups()), 1, acc,
            [&](Value i, Values acc) {
              g.index =
                  b.add(b.mul(block, b.index(packed.getBlockGroups())), i);
              return group(b.add(b.index(packed.getHeadBytes()),
                                 b.mul(i, b.index(packed.getGroupBytes()))),
                           acc);
            });
      });
}

void LinearTile::multiply(Value panel, int64_t panels, Value t0, Value count,
                          Value out) {
  int64_t rows = packed.getRows(), vectors = rows / lanes();
  bool planes = packed.getEnc().getHighBits();
  bool pairs =
      this->rows && !this->rows.isCodes() && !packed.getEnc().getScale();
  int64_t mostTail = planes ? 1 : pairs ? 64 : kMostTail;
  b.loop(b.index(0), b.index(panels), 1, [&](Value p) {
    auto pass = [&](Value row, int64_t chunks, Value t, int64_t n, bool ahead) {
      Values acc = emit(b.add(panel, p), row, chunks, b.add(t0, t), n, ahead);
      for (int64_t i = 0; i < n; ++i)
        for (int64_t c = 0; c < chunks; ++c)
          b.storeVec(
              acc[i * chunks + c], out,
              {b.add(t, b.index(i)), b.add(b.add(b.mul(p, b.index(rows)), row),
                                           b.index(c * lanes()))});
    };
    auto tokens = [&](Value row, int64_t chunks, Value t, int64_t n) {
      bool ahead = prefetch && n >= prefetchFrom &&
                   (!count || (!planes && (tile <= mostTail || n != tile)));
      if (!ahead || !count || n != tile)
        return pass(row, chunks, t, n, ahead);
      // Who passes over the panel first; the others have a loop without.
      Value first = arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                          b.add(t, row), b.index(0));
      b.branch(
          first, [&] { pass(row, chunks, t, n, true); },
          [&] { pass(row, chunks, t, n, false); });
    };
    if (!count)
      return tokens(b.index(0), vectors, b.index(0), 1);
    int64_t wide = std::min(chunks, vectors);
    while (rows % (wide * lanes()))
      --wide;
    b.loop(b.index(0), b.index(rows), wide * lanes(), [&](Value row) {
      // Whole tiles, then what is left in one pass, or halves of tiles: a pass
      // over the panel more costs more than its tokens.
      Value done = b.index(0);
      int64_t size = tile;
      for (; size > 0; size /= 2) {
        Value whole = b.sub(count, b.rem(b.sub(count, done), b.index(size)));
        b.loop(done, whole, size, [&](Value t) { tokens(row, wide, t, size); });
        done = whole;
        if (size <= mostTail)
          break;
      }
      if (size > 1)
        b.choose(b.sub(count, done), size - 1,
                 [&](int64_t rest) { tokens(row, wide, done, rest); });
    });
  });
}

FailureOr<ProductSchedule> ProductSchedule::of(KernelOp kernel) {
  ScheduleAttr schedule = kernel.getScheduleAttr();
  int64_t tile = schedule.get("token_tile", 1),
          block = schedule.get("token_block", tile),
          chunks = schedule.get("chunk_tile", 64);
  if (tile < 1 || tile > 64 || block < 1 || block > 256 || chunks < 1 ||
      chunks > 64)
    return kernel.emitError("token_tile = ")
           << tile << ", token_block = " << block << ", chunk_tile = " << chunks
           << ", limit 1 to 64, 1 to 256, 1 to 64";
  auto dot = schedule.getOptions().getAs<StringAttr>("dot"),
       floatDot = schedule.getOptions().getAs<StringAttr>("float_dot");
  return ProductSchedule{tile,
                         (block + tile - 1) / tile * tile,
                         chunks,
                         schedule.get("prefetch"),
                         schedule.get("prefetch_from", 1),
                         dot ? integerDots().find(dot.getValue()) : nullptr,
                         floatDot ? floatDots().find(floatDot.getValue())
                                  : nullptr};
}

LogicalResult codegen::checkProduct(KernelOp kernel, PackedAttr packed,
                                    RowsAttr rows, int64_t lanes,
                                    const ProductSchedule &schedule) {
  bool codes = rows && rows.isCodes(), pairs = rows && !codes;
  const IntegerDot *dot = schedule.dot;
  if (codes && !dot)
    return kernel.emitError(
        "unsupported: a product of integer codes without a dot instruction");
  if (codes)
    lanes = dot->lanes;
  else if (pairs && schedule.floatDot)
    lanes = schedule.floatDot->lanes;
  int64_t step = codes   ? dot->step
                 : pairs ? FloatDot::step
                         : 1,
          group = packed.getEnc().getGroup();
  bool groups = codes   ? rows.getGroup() % group == 0
                : pairs ? !packed.getEnc().getMin() || rows.getGroup() == group
                        : true;
  if (packed.getRows() % lanes || packed.getStep() != step || !groups)
    return kernel.emitError("a weight packed as ")
           << packed << " does not fit a product of " << lanes << " lanes";
  return success();
}
