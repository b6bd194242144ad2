// Vectorscan beside our engine: block mode over the whole buffer, which rules match which lines.
//
// usage: vectorscan PATTERNS LOG ROUNDS MATCHES
// Prints the best round's million lines a second; writes each match as "line rule", both from 0, to MATCHES.
#include <hs/hs.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

struct Match {
    size_t end;
    unsigned rule;
};

struct Context {
    const char *text;
    size_t length;
    std::vector<size_t> seen_to;  // for each rule, the end of the line that it was last seen in
    std::vector<Match> matches;
};

static int on_match(unsigned rule, unsigned long long, unsigned long long to, unsigned, void *context) {
    auto *c = static_cast<Context *>(context);
    if (to <= c->seen_to[rule]) return 0;
    const void *newline = memchr(c->text + to, '\n', c->length - to);
    size_t end = newline ? static_cast<const char *>(newline) - c->text : c->length;
    c->seen_to[rule] = end;
    c->matches.push_back({end, rule});
    return 0;
}

static std::string read(const char *path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

int main(int argc, char **argv) {
    if (argc != 5) {
        std::cerr << "usage: vectorscan PATTERNS LOG ROUNDS MATCHES\n";
        return 2;
    }
    std::vector<std::string> patterns;
    std::ifstream file(argv[1]);
    for (std::string line; std::getline(file, line);) patterns.push_back(line);
    std::string log = read(argv[2]);
    if (log.size() > 0xffffffffULL) return 2;

    std::vector<const char *> expressions;
    std::vector<unsigned> flags, ids;
    for (const auto &pattern : patterns) {
        ids.push_back(static_cast<unsigned>(ids.size()));
        expressions.push_back(pattern.c_str());
        // Lines begin and end within the buffer; without anchors the flag has nothing to say.
        bool anchored = pattern.find('^') != std::string::npos || pattern.find('$') != std::string::npos;
        flags.push_back(anchored ? HS_FLAG_MULTILINE : 0);
    }
    hs_database_t *database = nullptr;
    hs_compile_error_t *error = nullptr;
    if (hs_compile_multi(expressions.data(), flags.data(), ids.data(), static_cast<unsigned>(ids.size()),
                         HS_MODE_BLOCK, nullptr, &database, &error) != HS_SUCCESS) {
        std::cerr << "vectorscan: " << error->message << '\n';
        return 1;
    }
    hs_scratch_t *scratch = nullptr;
    if (hs_alloc_scratch(database, &scratch) != HS_SUCCESS) return 1;

    Context context{log.data(), log.size(), {}, {}};
    double best = 1e9;
    for (int round = 0; round < std::stoi(argv[3]); round++) {
        context.seen_to.assign(patterns.size(), 0);
        context.matches.clear();
        std::clock_t start = std::clock();
        if (hs_scan(database, log.data(), static_cast<unsigned>(log.size()), 0, scratch, on_match, &context) != HS_SUCCESS)
            return 1;
        best = std::min(best, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
    }
    // Outside the time taken: from ends to line numbers, for the comparison.
    std::vector<size_t> ends;
    for (size_t at = 0; at < log.size(); at++)
        if (log[at] == '\n') ends.push_back(at);
    std::ofstream out(argv[4]);
    for (const auto &match : context.matches)
        out << std::lower_bound(ends.begin(), ends.end(), match.end) - ends.begin() << ' ' << match.rule << '\n';
    std::cout << static_cast<double>(ends.size()) / best / 1e6 << '\n';
    hs_free_scratch(scratch);
    hs_free_database(database);
}
