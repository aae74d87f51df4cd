import java.io.InputStream;
import java.nio.ByteBuffer;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.utils.internals.BufferSupplier;

/** java -cp <Kafka's jars> Decompress.java <compression>: the records of a batch on standard input, plain on standard output. */
public class Decompress {
  public static void main(String[] args) throws Exception {
    ByteBuffer packed = ByteBuffer.wrap(System.in.readAllBytes());
    Compression compression = Compression.of(args[0]).build();
    try (InputStream plain = compression.wrapForInput(packed, RecordBatch.MAGIC_VALUE_V2, BufferSupplier.NO_CACHING)) {
      plain.transferTo(System.out);
    }
    System.out.flush();
  }
}
