import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Kafka's own producer, for what kafkajs cannot write: every compression, and as many records in a batch as fit.
 * java -cp <Kafka's jars> Produce.java <brokers> <topic> <compression>, one record a line on standard input
 * (partition, tab, key, tab, value); answers with the offset of each, a line each.
 */
public class Produce {
  public static void main(String[] args) throws Exception {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", args[0]);
    settings.put("compression.type", args[2]);
    settings.put("linger.ms", 60_000);
    settings.put("batch.size", 16_000_000);
    settings.put("buffer.memory", 128_000_000L);
    settings.put("max.request.size", 16_000_000);
    settings.put("delivery.timeout.ms", 120_000);
    settings.put("key.serializer", StringSerializer.class.getName());
    settings.put("value.serializer", StringSerializer.class.getName());
    List<Future<RecordMetadata>> sent = new ArrayList<>();
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings)) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        String[] parts = line.split("\t", 3);
        sent.add(producer.send(new ProducerRecord<>(args[1], Integer.valueOf(parts[0]), parts[1], parts[2])));
      }
      producer.flush();
      StringBuilder offsets = new StringBuilder();
      for (Future<RecordMetadata> one : sent) offsets.append(one.get().offset()).append('\n');
      System.out.print(offsets);
    }
  }
}
