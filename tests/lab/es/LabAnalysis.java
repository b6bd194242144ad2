// Stand-in for the few pieces of the unpublished module analysis-common that the index `.security` names: one tokenizer and
// three filters, each Lucene's own. Only the mapping of an e-mail address uses them.
import java.util.*;
import java.util.function.*;
import java.util.regex.Pattern;
import org.apache.lucene.analysis.LowerCaseFilter;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.email.UAX29URLEmailTokenizer;
import org.apache.lucene.analysis.miscellaneous.RemoveDuplicatesTokenFilter;
import org.apache.lucene.analysis.pattern.PatternCaptureGroupTokenFilter;
import org.elasticsearch.index.analysis.TokenFilterFactory;
import org.elasticsearch.index.analysis.TokenizerFactory;
import org.elasticsearch.indices.analysis.AnalysisModule.AnalysisProvider;
import org.elasticsearch.plugins.*;

public class LabAnalysis extends Plugin implements AnalysisPlugin {
    static TokenFilterFactory filter(String name, UnaryOperator<TokenStream> of) {
        return new TokenFilterFactory() {
            @Override public String name() { return name; }
            @Override public TokenStream create(TokenStream in) { return of.apply(in); }
        };
    }

    @Override public Map<String, AnalysisProvider<TokenFilterFactory>> getTokenFilters() {
        return Map.of("lowercase", (index, env, name, s) -> filter(name, LowerCaseFilter::new),
            "unique", (index, env, name, s) -> filter(name, RemoveDuplicatesTokenFilter::new),
            "pattern_capture", AnalysisPlugin.requiresAnalysisSettings((index, env, name, s) -> {
                Pattern[] patterns = s.getAsList("patterns").stream().map(Pattern::compile).toArray(Pattern[]::new);
                return filter(name, in -> new PatternCaptureGroupTokenFilter(in, s.getAsBoolean("preserve_original", true), patterns));
            }));
    }

    @Override public Map<String, AnalysisProvider<TokenizerFactory>> getTokenizers() {
        return Map.of("uax_url_email", (index, env, name, s) -> TokenizerFactory.newFactory(name, UAX29URLEmailTokenizer::new));
    }
}
